/** The client's fault, with a message for the client. */
export class InvalidOrder extends Error {}

/** The lines of an order, checked. */
export function parseOrder(body) {
  const lines = body?.lines;
  if (!Array.isArray(lines) || lines.length === 0) {
    throw new InvalidOrder('an order has at least one line');
  }
  return lines.map(({ sku, quantity, cents }) => {
    if (typeof sku !== 'string' || sku === '') {
      throw new InvalidOrder('a line has a sku');
    }
    if (!Number.isInteger(quantity) || quantity < 1) {
      throw new InvalidOrder('a quantity is a whole number from 1');
    }
    if (!Number.isInteger(cents) || cents < 0) {
      throw new InvalidOrder('a price is a whole number of cents');
    }
    return { sku, quantity, cents };
  });
}

/** In cents. */
export function total(lines) {
  return lines.reduce((sum, { quantity, cents }) => sum + quantity * cents, 0);
}
