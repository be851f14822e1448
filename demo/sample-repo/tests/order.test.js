import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InvalidOrder, parseOrder, total } from '../src/orders/order.js';

test('the total is quantity times price over all lines', () => {
  const lines = [
    { sku: 'mug', quantity: 2, cents: 950 },
    { sku: 'tea', quantity: 1, cents: 400 },
  ];

  assert.equal(total(parseOrder({ lines })), 2300);
});

test('an order without lines is invalid', () => {
  assert.throws(() => parseOrder({ lines: [] }), InvalidOrder);
});

test('a fraction of an article is invalid', () => {
  const lines = [{ sku: 'mug', quantity: 0.5, cents: 950 }];

  assert.throws(() => parseOrder({ lines }), InvalidOrder);
});
