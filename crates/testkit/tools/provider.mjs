// An OpenID provider for tests: node-oidc-provider, with the accounts and keys that a test wants.
// Arguments: the port, the client's id and secret, where it wants codes sent, where to go after a logout, and how many
// seconds an ID token lives.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

import { serve } from './lines.mjs';

const { default: Provider } = createRequire(import.meta.url)('oidc-provider');

const HOST = '127.0.0.1';
const SCOPES = 'openid profile email';

const [port, client_id, client_secret, redirect_uri, after_logout, id_token_seconds] = process.argv.slice(2);
const accounts = new Map();
const requests = {};
const cookieKey = randomBytes(32).toString('base64url');
let keys = 0;
let exchange = {};
let answer = signingWith(newKey());

function newKey() {
  keys += 1;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: `key-${keys}`, alg: 'RS256', use: 'sig' };
}

/** Sessions and codes belong to the `Provider` and end with it. */
function signingWith(key) {
  const provider = new Provider(`http://${HOST}:${port}`, {
    jwks: { keys: [key] },
    clients: [{
      client_id,
      client_secret,
      redirect_uris: [redirect_uri],
      post_logout_redirect_uris: [after_logout],
    }],
    cookies: { keys: [cookieKey] },
    // Without it the claims of a scope are at the userinfo endpoint only.
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'picture', 'groups'] },
    findAccount: (_context, sub) => ({
      accountId: sub,
      claims: () => ({ sub, ...accounts.get(sub) }),
    }),
    loadExistingGrant: consent,
    pkce: { required: () => true },
    features: { rpInitiatedLogout: { enabled: true, logoutSource: logOut } },
    ttl: { IdToken: Number(id_token_seconds), AccessToken: 3600, Interaction: 3600, Session: 86400, Grant: 86400 },
  });
  provider.on('grant.success', ({ oidc, body }) => {
    exchange = { ...oidc.params, ...body };
  });
  for (const event of ['server_error', 'authorization.error', 'grant.error', 'end_session.error']) {
    provider.on(event, (_context, error) => console.error(event, error));
  }
  return provider.callback();
}

/** Everybody has agreed already to let the client know them. */
async function consent({ oidc }) {
  const { clientId } = oidc.client;
  const grant = new oidc.provider.Grant({ clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope(SCOPES);
  await grant.save();
  return grant;
}

/** The page that asks whether to log out says yes by itself. */
function logOut(context, form) {
  const yes = '<input type="hidden" name="logout" value="yes">';
  context.body = `<!DOCTYPE html>${form.replace('</form>', `${yes}</form>`)}
    <script>document.forms[0].submit()</script>`;
}

const server = createServer((request, response) => {
  const path = request.url.split('?')[0];
  requests[path] = (requests[path] ?? 0) + 1;
  answer(request, response);
});

async function listen() {
  server.listen(port, HOST);
  await once(server, 'listening');
}

async function hangUp() {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

await serve({
  claim: ({ login, claims }) => { accounts.set(login, claims); },
  requests: ({ path }) => requests[path] ?? 0,
  exchange: () => exchange,
  rotate: () => { answer = signingWith(newKey()); },
  stop: hangUp,
  start: listen,
});
await hangUp();
