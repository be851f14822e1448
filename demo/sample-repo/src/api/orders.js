import { Router } from 'express';

import { parseOrder, total } from '../orders/order.js';

export function orderRoutes(orders) {
  const router = Router();

  router.get('/', async (request, response, next) => {
    try {
      response.json(await orders.ofCustomer(request.customerId));
    } catch (error) {
      next(error);
    }
  });

  router.post('/', async (request, response, next) => {
    try {
      const lines = parseOrder(request.body);
      const id = await orders.add(request.customerId, lines);
      response.status(201).json({ id, total: total(lines) });
    } catch (error) {
      next(error);
    }
  });

  return router;
}
