"""How an interface becomes an implemented class.

`members` (which members have no body, and what stands in their place), `classes` (the subclass that is made, rebound, pickled),
`self_reference` (recursive models), `model_parameter` (functions whose first parameter is the model).
"""
