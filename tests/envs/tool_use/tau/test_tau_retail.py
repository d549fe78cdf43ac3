import pytest

ITEMS = {"order_id": "#W1", "item_ids": ["101"], "new_item_ids": ["102"], "payment_method_id": "gift_card_2"}
EXCHANGE = {**ITEMS, "order_id": "#W2", "payment_method_id": "credit_card_2"}
HOME = {"address1": "3 Fir St", "address2": "Apt 1", "city": "Elko", "state": "NV", "country": "USA", "zip": "89801"}


def balance(retail) -> float:
    return retail("get_user_details", user_id="bob_ray_2")["payment_methods"]["gift_card_2"]["balance"]


def test_a_user_is_found_by_email(retail) -> None:
    assert retail("find_user_id_by_email", email="bob@example.com") == "bob_ray_2"
    assert retail.refuses("find_user_id_by_email", email="x@example.com") == "Error: user not found"


def test_a_user_is_found_by_name_in_any_case_and_zip(retail) -> None:
    assert retail("find_user_id_by_name_zip", first_name="BOB", last_name="ray", zip="89501") == "bob_ray_2"
    error = retail.refuses("find_user_id_by_name_zip", first_name="Bob", last_name="Ray", zip="89502")
    assert error == "Error: user not found"


@pytest.mark.parametrize(
    ("tool", "argument", "what"),
    [
        ("get_user_details", "user_id", "user"),
        ("get_order_details", "order_id", "order"),
        ("get_product_details", "product_id", "product"),
    ],
)
def test_what_is_not_there_is_not_found(retail, tool: str, argument: str, what: str) -> None:
    assert retail.refuses(tool, **{argument: "7"}) == f"Error: {what} not found"


def test_products_are_listed_by_name(retail) -> None:
    assert list(retail("list_all_product_types").items()) == [("Lamp", "20"), ("Mug", "10")]


def test_cancelling_refunds_a_gift_card_at_once(retail) -> None:
    order = retail("cancel_pending_order", order_id="#W1", reason="no longer needed")
    assert (order["status"], order["cancel_reason"]) == ("cancelled", "no longer needed")
    assert [entry["transaction_type"] for entry in order["payment_history"]] == ["payment", "refund"]
    assert balance(retail) == 70.0


def test_a_delivered_order_cannot_be_cancelled(retail) -> None:
    error = retail.refuses("cancel_pending_order", order_id="#W2", reason="no longer needed")
    assert error == "Error: non-pending order cannot be cancelled"


def test_a_reason_must_be_one_of_two(retail) -> None:
    assert retail.refuses("cancel_pending_order", order_id="#W1", reason="bored") == "Error: invalid reason"


def test_a_pending_order_goes_to_another_address(retail) -> None:
    assert retail("modify_pending_order_address", order_id="#W1", **HOME)["address"] == HOME


def test_a_delivered_order_does_not(retail) -> None:
    error = retail.refuses("modify_pending_order_address", order_id="#W2", **HOME)
    assert error == "Error: non-pending order cannot be modified"


def test_a_users_address_is_changed_and_the_orders_keep_theirs(retail) -> None:
    assert retail("modify_user_address", user_id="bob_ray_2", **HOME)["address"] == HOME
    assert retail("get_order_details", order_id="#W1")["address"]["address1"] == "2 Oak St"


def test_another_payment_pays_the_whole_and_refunds_the_old(retail) -> None:
    order = retail("modify_pending_order_payment", order_id="#W1", payment_method_id="credit_card_2")
    assert [(entry["transaction_type"], entry["payment_method_id"]) for entry in order["payment_history"][1:]] == [
        ("payment", "credit_card_2"),
        ("refund", "gift_card_2"),
    ]
    assert balance(retail) == 70.0


@pytest.mark.parametrize(
    ("order", "method", "error"),
    [
        ("#W1", "paypal_9", "Error: payment method not found"),
        ("#W1", "gift_card_2", "Error: the new payment method should be different from the current one"),
        ("#W3", "gift_card_2", "Error: insufficient gift card balance to pay for the order"),
        ("#W2", "gift_card_2", "Error: non-pending order cannot be modified"),
    ],
)
def test_a_payment_that_cannot_be_is_refused(retail, order: str, method: str, error: str) -> None:
    assert retail.refuses("modify_pending_order_payment", order_id=order, payment_method_id=method) == error


def test_a_payment_changes_once(retail) -> None:
    retail("modify_pending_order_payment", order_id="#W1", payment_method_id="credit_card_2")
    error = retail.refuses("modify_pending_order_payment", order_id="#W1", payment_method_id="gift_card_2")
    assert error == "Error: there should be exactly one payment for a pending order"


def test_items_are_changed_and_the_difference_paid(retail) -> None:
    order = retail("modify_pending_order_items", **ITEMS)
    assert [item["item_id"] for item in order["items"]] == ["102", "101", "201"]
    assert order["items"][0]["options"] == {"color": "blue"}
    assert order["payment_history"][-1] == {
        "transaction_type": "payment",
        "amount": 2.5,
        "payment_method_id": "gift_card_2",
    }
    assert balance(retail) == 17.5


def test_an_item_that_stands_twice_can_be_changed_twice(retail) -> None:
    twice = {"item_ids": ["101", "101"], "new_item_ids": ["102", "102"]}
    order = retail("modify_pending_order_items", **ITEMS | twice)
    assert [item["item_id"] for item in order["items"]] == ["102", "102", "201"]


def test_items_are_changed_once(retail) -> None:
    assert retail("modify_pending_order_items", **ITEMS)["status"] == "pending (item modified)"
    assert retail.refuses("modify_pending_order_items", **ITEMS) == "Error: non-pending order cannot be modified"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"order_id": "#W9"}, "Error: order not found"),
        ({"item_ids": ["999"]}, "Error: 999 not found"),
        ({"item_ids": ["101"] * 3, "new_item_ids": ["102"] * 3}, "Error: 101 not found"),
        ({"new_item_ids": []}, "Error: the number of items to be exchanged should match"),
        ({"new_item_ids": ["104"]}, "Error: new item 104 not found or available"),
        ({"new_item_ids": ["201"]}, "Error: new item 201 not found or available"),
        ({"payment_method_id": "paypal_9"}, "Error: payment method not found"),
        ({"new_item_ids": ["103"]}, "Error: insufficient gift card balance to pay for the new item"),
    ],
)
def test_items_that_cannot_be_changed_are_refused(retail, change: dict, error: str) -> None:
    assert retail.refuses("modify_pending_order_items", **ITEMS | change) == error


def test_an_exchange_is_asked_for_and_not_yet_paid(retail) -> None:
    order = retail("exchange_delivered_order_items", **EXCHANGE)
    assert order["status"] == "exchange requested"
    assert (order["exchange_items"], order["exchange_new_items"]) == (["101"], ["102"])
    assert order["exchange_price_difference"] == 2.5
    assert len(order["payment_history"]) == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"order_id": "#W1"}, "Error: non-delivered order cannot be exchanged"),
        (
            {"new_item_ids": ["103"], "payment_method_id": "gift_card_2"},
            "Error: insufficient gift card balance to pay for the price difference",
        ),
    ],
)
def test_an_exchange_that_cannot_be_is_refused(retail, change: dict, error: str) -> None:
    assert retail.refuses("exchange_delivered_order_items", **EXCHANGE | change) == error


def test_a_return_names_items_and_where_the_money_goes(retail) -> None:
    items = ["201", "101"]
    order = retail("return_delivered_order_items", order_id="#W2", item_ids=items, payment_method_id="gift_card_2")
    assert (order["status"], order["return_items"]) == ("return requested", ["101", "201"])
    assert order["return_payment_method_id"] == "gift_card_2"


@pytest.mark.parametrize(
    ("order", "items", "method", "error"),
    [
        ("#W1", ["101"], "gift_card_2", "Error: non-delivered order cannot be returned"),
        ("#W2", ["999"], "gift_card_2", "Error: some item not found"),
        ("#W2", ["101"], "paypal_9", "Error: payment method not found"),
    ],
)
def test_a_return_that_cannot_be_is_refused(retail, order: str, items: list[str], method: str, error: str) -> None:
    refused = retail.refuses("return_delivered_order_items", order_id=order, item_ids=items, payment_method_id=method)
    assert refused == error
