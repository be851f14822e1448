import express from 'express';

import { requireToken } from '../auth/token.js';
import { errorHandler } from './errors.js';
import { orderRoutes } from './orders.js';

/** The application, without a port of its own: tests call it as it is. */
export function createApp({ orders, secret }) {
  const app = express();
  app.use(express.json({ limit: '100kb' }));
  app.get('/health', (request, response) => response.json({ ok: true }));
  app.use('/orders', requireToken(secret), orderRoutes(orders));
  app.use(errorHandler);
  return app;
}
