"""Join a table with a JSON file and write a JSON report."""

from __future__ import annotations

import json
from random import Random

from pivotgym.envs.terminal.tasks.checks import JsonIs, TextIs
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import CITIES, PEOPLE, THINGS, some, token


def make(random: Random) -> Exercise:
    """Orders of customers, by city; the table has quoted commas, cancelled orders and unknown customers."""
    cities = some(random, CITIES, 4)
    customers = [
        {"id": f"c{number:02}", "name": name.title(), "city": random.choice(cities)}
        for number, name in enumerate(some(random, PEOPLE, 9), 1)
    ]
    folder, cancelled = f"/data/{token(random)}", random.choice(["cancelled", "returned", "void"])
    rows = [_row(random, customers, cancelled) for _ in range(random.randint(40, 60))]
    table = "order,customer,item,quantity,price,state\n" + "".join(
        ",".join(_cell(cell) for cell in row) + "\n" for row in rows
    )
    people = json.dumps({"customers": customers}, indent=1)
    table_path, people_path, report = f"{folder}/orders.csv", f"{folder}/customers.json", f"{folder}/report.json"
    due = _report(rows, {one["id"]: one["city"] for one in customers}, cancelled)
    program = _program(table_path, people_path, report, cancelled)
    return Exercise(
        instruction=(
            f"{table_path} lists orders (order,customer,item,quantity,price,state; the price is per piece, in cents) "
            f"and {people_path} the customers with their cities. Write {report}, a JSON object with two keys. "
            "`cities` is an object with a key for each city that has at least one order; its value is an object with "
            "`orders` (how many orders) and `cents` (the sum of quantity times price). `unknown` is the list of the "
            "numbers of all orders whose customer is not in the customers' file, sorted as text. Orders in the state "
            f"`{cancelled}` do not count anywhere. Leave both inputs as they are."
        ),
        start=Start(files={table_path: table, people_path: people}, cwd=folder),
        checks=(
            JsonIs("report", report, due),
            TextIs("orders", table_path, table, exact=True),
            TextIs("customers", people_path, people, exact=True),
        ),
        gold=(
            f"wc -l {folder}/*; head -n 5 {table_path}; head -c 300 {people_path}",
            f"cut -d, -f2 {table_path} | sort | uniq -c; grep -c {cancelled} {table_path}; grep '\"' {table_path} | "
            "head -n 3",
            f"cat > /tmp/report.py <<'EOF'\n{program}EOF\npython3 /tmp/report.py",
            f"cat {report}",
        ),
        alternative=(
            # The item is the only cell with commas in it, so that the others can be counted from both ends.
            f"grep -o '{{[^}}]*}}' <(tr -d '\\n' < {people_path}) | "
            'sed \'s/.*"id": *"\\([^"]*\\)".*"city": *"\\([^"]*\\)".*/\\1 \\2/\' > /tmp/cities',
            f'sed 1d {table_path} | awk -F, \'NR == FNR {{ split($0, a, " "); city[a[1]] = a[2]; next }} $NF != '
            f'"{cancelled}" {{ if ($2 in city) {{ n[city[$2]]++; s[city[$2]] += $(NF-2) * $(NF-1) }} else print $1 > '
            '"/tmp/unknown" } END { for (c in n) printf "%s\\"%s\\": {\\"orders\\": %d, \\"cents\\": %d}", k++ ? '
            '", " : "", c, n[c], s[c] }\' '
            "/tmp/cities - > /tmp/inner",
            f'echo "{{\\"unknown\\": [$(LC_ALL=C sort /tmp/unknown | sed \'s/.*/"&"/\' | paste -sd,)], '
            f'\\"cities\\": {{$(cat /tmp/inner)}}}}" > {report}',
        ),
        cheats={
            "counts everything": (
                f"cat > /tmp/report.py <<'EOF'\n{program.replace(cancelled, token(random))}EOF\npython3 /tmp/report.py",
            ),
            "empties the table": (
                f"head -n 1 {table_path} > /tmp/t && cat /tmp/t > {table_path}; "
                f'echo \'{{"cities": {{}}, "unknown": []}}\' > {report}',
            ),
        },
    )


def _row(random: Random, customers: list[dict[str, str]], cancelled: str) -> tuple[str, ...]:
    known = random.random() < 0.85
    customer = random.choice(customers)["id"] if known else f"x{random.randint(10, 99)}"
    item = random.choice(THINGS) + random.choice(["", "", ", small", ", large, blue"])
    state = cancelled if random.random() < 0.25 else random.choice(["paid", "sent", "open"])
    numbers = (str(random.randint(1, 9)), str(random.randint(50, 9999)))
    return (f"o{random.randint(1000, 9999)}{token(random, 2)}", customer, item, *numbers, state)


def _cell(text: str) -> str:
    return f'"{text}"' if "," in text else text


def _report(rows: list[tuple[str, ...]], city_of: dict[str, str], cancelled: str) -> dict[str, object]:
    cities: dict[str, dict[str, int]] = {}
    unknown = []
    for order, customer, _, quantity, price, state in rows:
        if state == cancelled:
            continue
        if customer not in city_of:
            unknown.append(order)
            continue
        city = cities.setdefault(city_of[customer], {"orders": 0, "cents": 0})
        city["orders"] += 1
        city["cents"] += int(quantity) * int(price)
    return {"cities": cities, "unknown": sorted(unknown)}


def _program(table: str, people: str, report: str, cancelled: str) -> str:
    return f"""import csv, json
city_of = {{one["id"]: one["city"] for one in json.load(open("{people}"))["customers"]}}
cities, unknown = {{}}, []
for row in csv.DictReader(open("{table}")):
    if row["state"] == "{cancelled}":
        continue
    city = city_of.get(row["customer"])
    if city is None:
        unknown.append(row["order"])
        continue
    entry = cities.setdefault(city, {{"orders": 0, "cents": 0}})
    entry["orders"] += 1
    entry["cents"] += int(row["quantity"]) * int(row["price"])
json.dump({{"cities": cities, "unknown": sorted(unknown)}}, open("{report}", "w"), indent=2)
"""


FAMILY = Family("reports", make, needs=("python3", "awk"))
