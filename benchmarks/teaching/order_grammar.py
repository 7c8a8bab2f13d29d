"""A grammar of orders: who writes an order to a furniture and office shop, and in what words.

An order is drawn first, and then a message that says it, so that the truth about each message is known. The gold messages of
the task were written one by one and come from no grammar.

    python -m benchmarks.teaching.order_grammar      writes data/orders_pool.jsonl anew, always the same
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from benchmarks.teaching.order import ITEMS, Item, Order

POOL = Path(__file__).parent / "data" / "orders_pool.jsonl"
NUMBER = 640

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NAMES: dict[Item, tuple[tuple[str, str], ...]] = {
    "chair": (("chair", "chairs"), ("office chair", "office chairs"), ("seat", "seats"), ("garden chair", "garden chairs")),
    "desk": (("desk", "desks"), ("work desk", "work desks"), ("wooden desk", "wooden desks"), ("school desk", "school desks")),
    "lamp": (("lamp", "lamps"), ("table lamp", "table lamps"), ("light", "lights"), ("LED lamp", "LED lamps")),
    "monitor": (("monitor", "monitors"), ("screen", "screens"), ("computer screen", "computer screens"), ("display", "displays")),
    "keyboard": (
        ("keyboard", "keyboards"), ("USB keyboard", "USB keyboards"), ("numeric keyboard", "numeric keyboards"),
        ("quiet keyboard", "quiet keyboards"),
    ),
    "headset": (
        ("headset", "headsets"), ("wireless headset", "wireless headsets"), ("stereo headset", "stereo headsets"),
        ("pair of headphones", "headphones"),
    ),
    "printer": (("printer", "printers"), ("laser printer", "laser printers"), ("colour printer", "colour printers")),
    "whiteboard": (
        ("whiteboard", "whiteboards"), ("white board", "white boards"), ("wall whiteboard", "wall whiteboards"),
        ("mobile whiteboard", "mobile whiteboards"),
    ),
}  # fmt: skip

GREETINGS = (
    "", "", "", "", "Hello,", "Hi there,", "Dear sales team,", "Good evening,", "Hey,", "Dear Mr Brandt,", "Morning!", "Hi Ana,",
)  # fmt: skip
REQUESTS = (
    "we need {what}{where}", "please send {what}{where}", "I'd like to order {what}{where}", "we want to buy {what}{where}",
    "can you deliver {what}{where}?", "{what}{where}, please", "I am looking for {what}{where}", "our order is {what}{where}",
    "could you get us {what}{where}?", "put me down for {what}{where}", "the boss asks for {what}{where}", "{what}{where}",
    "it would be great to get {what}{where}", "we're short of {what}{where}", "this is an order for {what}{where}",
    "I have been told to get {what}{where}", "may I have {what}{where}?", "let's make it {what}{where}",
    "what we're missing is {what}{where}", "ship {what}{where}", "we've decided on {what}{where}", "{what}{where} it is",
    "book {what}{where} on our account", "my team has asked me for {what}{where}",
)  # fmt: skip
PLACES = (
    "", "", "", "", "", " for the second floor", " for our branch in Turin", " for the workshop", " for room 9",
    " for my parents", " for the new office", " for the youth club", " for a customer", " for the theatre's cloakroom",
    " for the ground floor", " for hall 3", " for our 15 interns", " for the parish", " for the newsroom", " to 7 Harbour Row",
    " for the surgery", " for gate 4", " for the laboratory", " for the day nursery", " for both of us",
)  # fmt: skip
URGENT = (
    "It is urgent.", "We need this today.", "Please hurry.", "ASAP!", "This can't wait.", "By tomorrow at the very latest!",
    "The old stuff broke this morning and nobody can work.", "As fast as possible please.", "It's an emergency.",
    "Everything stands still until it's here.", "Express delivery, please.", "We're lost without it, so be quick.",
    "Could it be here within hours?", "Our event starts tonight.", "Deadline is tomorrow 10 am.", "Top urgency.",
    "I need it now, not next week.", "Please send it on its way immediately.", "We open in the morning and have nothing.",
    "Sooner than soon.", "Please deliver this very day.", "Do it right away.", "Time is running out here.", "quick please!!",
    "Send it by courier at once.", "Inspectors come tomorrow.", "I'm in real trouble if it isn't here tonight.",
    "Don't lose a minute.", "Overnight shipping, whatever that costs.", "Guests arrive in three hours.",
)  # fmt: skip
CALM = (
    "", "", "", "", "", "", "", "", "There's no hurry.", "Take your time.", "Any day is fine.", "It isn't urgent.",
    "Next month would do.", "We can wait.", "Whenever your van is in the area.", "No need to rush.", "Sometime this year.",
    "Standard delivery is good enough.", "We move in only in autumn.", "The slow and cheap shipping, please.",
    "In two or three weeks, say.", "No pressure from our side.", "It's for next season.", "I'll be away until the 21st anyway.",
    "Deliver it with the rest.", "Once it's back in stock.",
)  # fmt: skip
ASIDES = (
    "", "", "", "", "", "", "", "Our budget is 500 euros.", "I saw them at 64.90 each.", "The order number is 7745.",
    "My phone is 555 0192.", "We were customers in 2011 already.", "Last time it was 3 and they were lovely.",
    "The catalogue says 149 dollars.", "Invoice to cost centre 12.", "Quote 8 of May the 6th applies.", "Colour: black.",
    "There are 25 of us.", "Lift holds 4 people, please use it.", "We've got two of them already.", "Discount code TEN.",
    "Ring twice, ask for Jo.", "The shelf from page 5 we take another time.", "We're at number 11, second door.",
    "The desk you sent in May is fine, by the way.", "I've thrown out the old lamp.", "The printer paper came, thanks.",
    "Our chairs were from you, too.", "The monitor stand can stay where it is.", "My colleague wants nothing.",
    "As discussed with Ms Oduya on the 2nd.", "Pay on delivery, 20 in tips for the driver.", "White if possible.",
    "The headset from Tuesday works well.", "My keyboard is from 1998, I'll keep it.", "No whiteboard markers needed.",
    "At 35 each it's a bargain.", "It should cost 80 at most.", "We're 6 in the office.", "Floor 7, no lift, sorry.",
)  # fmt: skip
FAREWELLS = ("", "", "", "", "", "Thanks!", "Best, Tom", "Kind regards", "Cheers", "Many thanks, Ines", "Bye for now", "tia")


def quantity_words(quantity: int, one: str, many: str, draw: random.Random) -> str:
    """Say how many of a thing, in one of the ways that people do."""
    ways = [
        f"{quantity} {many}",
        f"{WORDS[quantity - 1]} {many}",
        f"{WORDS[quantity - 1]} new {many}",
        f"{quantity} of your {many}",
    ]
    if quantity == 1:
        article = "an" if one[0] in "aeio" or one.startswith("LED") else "a"
        ways = [f"{article} {one}", f"one {one}", f"1 {one}", f"a new {one}", f"a single {one}", f"just one {one}"]
    elif quantity == 2:
        ways += [f"a couple of {many}", f"two more {many}", f"a pair of {many}"]
    elif quantity in {6, 12}:
        ways += [f"{'half ' if quantity == 6 else ''}a dozen {many}"] * 2
    else:
        ways += [f"{many}, {quantity} of them", f"{quantity} x {many}", f"{WORDS[quantity - 1]} additional {many}"]
    return draw.choice(ways)


def write_message(order: Order, draw: random.Random) -> str:
    """Say an order in words."""
    one, many = draw.choice(NAMES[order.item])
    what = quantity_words(order.quantity, one, many, draw)
    request = draw.choice(REQUESTS).format(what=what, where=draw.choice(PLACES))
    request += "" if request.endswith("?") else "."
    greeting, aside, farewell = draw.choice(GREETINGS), draw.choice(ASIDES), draw.choice(FAREWELLS)
    middle = [request, draw.choice(URGENT if order.urgent else CALM), aside]
    if draw.random() < 0.4:
        draw.shuffle(middle)
    middle = [part[0].upper() + part[1:] for part in middle if part]
    if greeting.endswith(",") and middle[0].lower() == request.lower():
        middle[0] = request
    words = " ".join(part for part in (greeting, *middle, farewell) if part)
    return words.lower() if draw.random() < 0.15 else words


def draw_order(draw: random.Random) -> Order:
    """Draw an order. Small quantities are the more frequent ones, as they are in life."""
    quantity = draw.choice((*range(1, 13), 1, 1, 2, 2, 3))
    return Order(item=draw.choice(ITEMS), quantity=quantity, urgent=draw.random() < 0.4)


def draw_pool(number: int = NUMBER, seed: int = 0) -> list[dict[str, Any]]:
    """Draw messages, no two alike, with the orders that they say."""
    draw = random.Random(seed)
    pool: dict[str, Order] = {}
    while len(pool) < number:
        order = draw_order(draw)
        pool.setdefault(write_message(order, draw), order)
    return [{"message": message, **order.model_dump()} for message, order in pool.items()]


if __name__ == "__main__":
    POOL.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in draw_pool()), encoding="utf-8")
