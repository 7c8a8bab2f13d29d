"""Models by name and from YAML: packaged configs, the environment, folders of weights."""
