// An OpenID Connect provider on loopback for the tests of the server: signs in one person without asking. Prints its
// address in one line; ends when its standard input is closed.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const redirects = [process.argv[2] ?? "https://school.example/api/auth/oidc/callback"];
const server = createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const key = (kid, alg, type, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
  kid,
  alg,
  use: "sig",
});
const client = (alg, rest) => ({
  client_id: `carrel-${alg}`,
  redirect_uris: redirects,
  response_types: ["code"],
  grant_types: ["authorization_code"],
  id_token_signed_response_alg: alg,
  token_endpoint_auth_method: "none",
  ...rest,
});

const provider = new Provider(issuer, {
  jwks: {
    keys: [
      key("rsa", "RS256", "rsa", { modulusLength: 2048 }),
      key("ec", "ES256", "ec", { namedCurve: "P-256" }),
      key("ed", "EdDSA", "ed25519", {}),
    ],
  },
  clients: [
    client("RS256", { token_endpoint_auth_method: "client_secret_basic", client_secret: "a_secret:_50%_+_/" }),
    client("ES256"),
    client("EdDSA"),
  ],
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["preferred_username", "name", "groups"] },
  // The claims are in the ID token, not only in the reply of the user information endpoint.
  conformIdTokenClaims: false,
  cookies: { keys: ["of this test"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: "noor.haddad", name: "Noor Haddad", groups: ["teachers"] }),
  }),
});

provider.use(async (context, next) => {
  if (!context.path.startsWith("/interaction/")) return next();
  const { params, prompt } = await provider.interactionDetails(context.req, context.res);
  const result = {};
  if (prompt.name === "login") result.login = { accountId: "person-1" };
  else {
    const grant = new provider.Grant({ accountId: "person-1", clientId: params.client_id });
    grant.addOIDCScope("openid profile");
    result.consent = { grantId: await grant.save() };
  }
  await provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: true });
  context.respond = false;
});

server.on("request", provider.callback());
console.log(issuer);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
