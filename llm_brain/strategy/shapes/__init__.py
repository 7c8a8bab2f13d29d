"""How the values of a type look before they are complete: a shape for each kind of type, and the shape of a type."""
