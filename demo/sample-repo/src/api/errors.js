import { InvalidOrder } from '../orders/order.js';

/** What a client may know of an error. Express tells an error handler by its four parameters. */
export function errorHandler(error, request, response, next) {
  if (error instanceof InvalidOrder) {
    response.status(400).json({ error: error.message });
    return;
  }
  console.error(error);
  response.status(500).json({ error: 'internal error' });
}
