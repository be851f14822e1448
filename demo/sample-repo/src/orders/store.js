/** Orders in PostgreSQL. */
export class OrderStore {
  constructor(pool) {
    this.pool = pool;
  }

  /** All orders of a customer, newest first. */
  async ofCustomer(customerId) {
    const { rows } = await this.pool.query(
      'SELECT id, created_at FROM orders WHERE customer_id = $1 ORDER BY created_at DESC',
      [customerId],
    );
    return rows;
  }

  /** Adds an order with all its lines, or nothing. Gives its id. */
  async add(customerId, lines) {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      const { rows } = await client.query(
        'INSERT INTO orders (customer_id) VALUES ($1) RETURNING id',
        [customerId],
      );
      for (const { sku, quantity, cents } of lines) {
        await client.query(
          'INSERT INTO order_lines (order_id, sku, quantity, cents) VALUES ($1, $2, $3, $4)',
          [rows[0].id, sku, quantity, cents],
        );
      }
      await client.query('COMMIT');
      return rows[0].id;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }
}
