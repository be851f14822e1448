import pg from 'pg';

import { createApp } from './api/app.js';
import { OrderStore } from './orders/store.js';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const app = createApp({
  orders: new OrderStore(pool),
  secret: process.env.TOKEN_SECRET,
});

const port = process.env.PORT ?? 3000;
app.listen(port, () => console.log(`listening on ${port}`));
