"""What annotations say: the parts of a type, its name for a reader, its few values, and what its type variables stand for.

`parts` and `class_parts` (a type taken apart and put together), `names` (as a reader writes it), `closed_sets` (types with few
values), `claims` and `generics` (type variables found from the arguments of a call). Nothing here knows of functions or models.
"""
