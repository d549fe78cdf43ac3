CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, points INTEGER NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, product INTEGER NOT NULL, count INTEGER NOT NULL);
INSERT INTO customers VALUES
  (1, 'Ada', 'Bergen', 120), (2, 'Ben', 'Oslo', 40), (3, 'Cleo', 'Bergen', 300), (4, 'Dag', 'Molde', 15),
  (5, 'Elin', 'Oslo', 210), (6, 'Finn', 'Oslo', 75);
INSERT INTO products VALUES
  (1, 'kettle', 2900, 12), (2, 'lamp', 4500, 0), (3, 'mug', 700, 140), (4, 'rug', 9900, 3), (5, 'stool', 3600, 8);
INSERT INTO orders VALUES
  (1, 1, 3, 4), (2, 1, 1, 1), (3, 2, 4, 1), (4, 3, 3, 12), (5, 3, 2, 2), (6, 5, 5, 2), (7, 5, 3, 6), (8, 6, 1, 1);
