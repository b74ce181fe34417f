"""Changes a card in Python: which hash changes with what, and what is said of a card that cannot be."""

from vla_contract.card import CardError, load_card
from vla_contract.shipped import find_card

card = load_card(find_card("panda_tabletop"))
print(f"{card.name}: policy_hash {card.policy_hash}, card_hash {card.card_hash}")

# A slower tool: the controller must know it, a policy does not depend on it. Its checkpoint still fits.
arm = card.arms[0]
limits = arm.limits.model_copy(update={"tool_speed": 0.3})
slower = card.model_copy(update={"name": "my_cell", "arms": [arm.model_copy(update={"limits": limits})]})
print(f"{slower.name}: policy_hash {slower.policy_hash}, card_hash {slower.card_hash}")
assert slower.policy_hash == card.policy_hash and slower.card_hash != card.card_hash

# Another step period: policies that were trained for the old one are refused.
faster = card.model_copy(update={"action": card.action.model_copy(update={"step_period": 0.05})})
assert faster.policy_hash != card.policy_hash

try:
    card.model_copy(update={"arms": [arm.model_copy(update={"home": [0.0, 0.0]})]})
except CardError as error:
    print(error)
