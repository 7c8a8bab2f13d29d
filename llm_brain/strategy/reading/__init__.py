"""Reading replies that are not quite JSON: strings and words, the structure, where in a text it stands, where it begins."""
