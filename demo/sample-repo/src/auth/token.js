import jwt from 'jsonwebtoken';

/** Lets a request pass that carries a valid token, and sets its customerId. */
export function requireToken(secret) {
  return (request, response, next) => {
    const [scheme, token] = (request.get('authorization') ?? '').split(' ');
    if (scheme !== 'Bearer' || !token) {
      response.status(401).json({ error: 'a bearer token is required' });
      return;
    }
    try {
      request.customerId = jwt.verify(token, secret, { algorithms: ['HS256'] }).sub;
      next();
    } catch {
      response.status(401).json({ error: 'the token is not valid' });
    }
  };
}
