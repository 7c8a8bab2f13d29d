"""A person at a terminal answers in the model's place: forms, menus, texts."""
