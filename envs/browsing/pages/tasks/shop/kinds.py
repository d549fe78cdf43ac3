"""Which kinds of tasks there are. Owns: the table, and the start each needs. Does not own: the kinds."""

from __future__ import annotations

from pivotgym.envs.browsing.pages.tasks.shop import account, buying, orders, questions
from pivotgym.envs.browsing.pages.tasks.shop.goal import Kind

KINDS = (
    Kind("cheapest", buying.cheapest),
    Kind("fill_cart", buying.fill_cart),
    Kind("tidy_cart", buying.tidy_cart, cart=3),
    Kind("guest", buying.guest, signed_in=False),
    Kind("again", buying.again, signed_in=False),
    Kind("cancel", orders.cancel),
    Kind("damaged", orders.damaged),
    Kind("total", questions.total),
    Kind("price", questions.price, signed_in=False),
    Kind("rated", questions.rated, signed_in=False),
    Kind("register", account.register, signed_in=False),
    Kind("review", orders.review),
    Kind("email", account.change_email),
    Kind("password", account.change_password),
    Kind("move", account.move),
    Kind("add_address", account.add_address),
    Kind("drop_address", account.drop_address),
    Kind("newsletter", account.set_newsletter),
)
