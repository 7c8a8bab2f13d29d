"""Other optimisers, behind one contract: asked for points, and told their losses."""
