"""What lies on the desk: three tickets, and thirty short messages with the department that each is for."""

from __future__ import annotations

from datetime import date

from examples.support_desk.interface import Customer, Department, Message, Order, Ticket

CRANK = Ticket(
    subject="Crank came loose",
    customer=Customer(name="Ada Meyer", language="English", customer_since=date(2021, 5, 1)),
    order=Order(number="NB-4711", product="Tourer 7", price=899.0),
    messages=[
        Message(sender="customer", text="The left crank came loose on the second day."),
        Message(sender="desk", text="We are sorry to hear that. Is the bolt still there?"),
        Message(sender="customer", text="Yes, but its thread is stripped. I need the bike on Friday."),
    ],
)
INVOICE = Ticket(
    subject="Rechnung",
    customer=Customer(name="Jonas Roth", language="German", customer_since=date(2024, 11, 12)),
    messages=[Message(sender="customer", text="Auf der Rechnung fehlt der Name meiner Firma.")],
)
OPENING_HOURS = Ticket(
    subject="Visit",
    customer=Customer(name="Zoe Martin", language="English", customer_since=date(2025, 2, 3)),
    messages=[Message(sender="customer", text="When is your workshop open on Saturdays?")],
)

INBOX: dict[Department, tuple[str, ...]] = {
    Department.DELIVERY: (
        "Where is my order? It was promised for Monday.",
        "The courier left the box at the wrong house.",
        "Tracking has not moved for a week.",
        "When will my helmet arrive?",
        "I moved. Please send the bike to my new address.",
        "The package came to my neighbour instead of me.",
        "Nobody rang the bell and now the parcel is gone.",
        "My shipment is stuck at customs.",
        "Can you send it by express?",
        "It should have been here yesterday.",
    ),
    Department.BILLING: (
        "Please send me the invoice again.",
        "My card was debited two times.",
        "The discount code did not work and I paid the full price.",
        "Why is there a fee of 12 euros on my bill?",
        "The refund has not reached my bank account.",
        "I need a receipt with my company's name.",
        "Can I pay in three instalments?",
        "You took the money before I confirmed.",
        "The VAT number on the invoice is wrong.",
        "My payment was declined.",
    ),
    Department.REPAIRS: (
        "The chain jumps off when I change gears.",
        "The light does not switch on any more.",
        "One pedal came off on the second day.",
        "The brakes squeal and hardly stop me.",
        "There is a crack in the frame.",
        "The battery does not charge.",
        "The saddle is torn.",
        "A spoke broke on the rear wheel.",
        "The bell fell off.",
        "The motor makes a grinding noise.",
    ),
}
