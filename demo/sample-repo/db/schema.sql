CREATE TABLE orders (
    id          bigserial PRIMARY KEY,
    customer_id text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE order_lines (
    order_id bigint  NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    sku      text    NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    cents    integer NOT NULL CHECK (cents >= 0)
);

CREATE INDEX orders_by_customer ON orders (customer_id, created_at DESC);
