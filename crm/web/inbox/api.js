// The client of the API: one call(), errors as ApiError, and tokens that renew themselves.
//
// The access token lives in this module and nowhere else. The refresh token lives in this tab's sessionStorage, so
// that a reload does not sign anybody out and closing the tab does (docs/decisions.md says why).
import { calmly } from "./press.js";
import { language } from "./words.js";

const KEPT = "crm.refresh";
const MARGIN = 60_000; // milliseconds before its end that a token is renewed

// An answer that is not a success: problem+json (RFC 9457). Programs decide by `code`, people read `message`.
export class ApiError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? `HTTP ${status}`);
    Object.assign(this, { status, code: problem.code ?? "", errors: problem.errors ?? [], problem, retryAfter });
  }
}

// No answer at all: nobody knows whether the request arrived.
export class Offline extends Error {}

let access = null; // {token, expires}
let renewing = null;
let ended = () => {};

export const session = {
  get isKept() {
    return sessionStorage.getItem(KEPT) !== null;
  },

  // `then` is called when the session is over: by the server, or because another tab took it.
  onEnd(then) {
    ended = then;
  },

  async login(slug, email, password) {
    const headers = slug ? { "X-Tenant-Slug": slug } : {};
    return keep(await request("POST", "/auth/login", { body: { email, password }, headers }));
  },

  // Signed in again by the kept token, after a reload. A duplicated tab has a copy of it: using both would look like
  // theft to the server and end the session, so the first tab holds a lock and the second asks to sign in.
  async resume() {
    if (!(await alone())) {
      sessionStorage.removeItem(KEPT);
      throw new ApiError(401, { code: "unauthenticated" });
    }
    return renew();
  },

  async logout() {
    await call("POST", "/auth/logout").catch(() => {});
    forget();
  },

  // A token that is good for a while yet.
  async token() {
    if (!access || access.expires - MARGIN < Date.now()) await renew();
    return access.token;
  },

  // The server refused a token that should be good: the next one is renewed first.
  distrust() {
    access = null;
  },

  get renewsIn() {
    return access ? Math.max(1000, access.expires - MARGIN - Date.now()) : 0;
  },
};

function keep(answer) {
  access = { token: answer.accessToken, expires: Date.now() + answer.expiresIn * 1000 };
  sessionStorage.setItem(KEPT, answer.refreshToken);
  void alone();
  return answer;
}

function forget() {
  access = null;
  sessionStorage.removeItem(KEPT);
}

// One renewal at a time: a refresh token works once.
function renew() {
  renewing ??= request("POST", "/auth/refresh", { body: { refreshToken: sessionStorage.getItem(KEPT) ?? "" } })
    .then(keep)
    .catch((error) => {
      if (error instanceof ApiError && [401, 403, 422].includes(error.status)) {
        forget();
        ended(error);
      }
      throw error;
    })
    .finally(() => {
      renewing = null;
    });
  return renewing;
}

// Whether no other tab uses this tab's session. The lock is held until the tab is closed or loads anew.
let holding = null;
function alone() {
  if (!navigator.locks) return Promise.resolve(true);
  const id = (sessionStorage["crm.tab"] ??= Math.random().toString(36).slice(2));
  holding ??= new Promise((resolve) => {
    const patience = { signal: AbortSignal.timeout(700) }; // a reload's old page lets go within that
    navigator.locks
      .request(`crm.tab.${id}`, patience, () => {
        resolve(true);
        return new Promise(() => {});
      })
      .catch(() => {
        sessionStorage.removeItem("crm.tab");
        holding = null;
        resolve(false);
      });
  });
  return holding;
}

// call("GET", "/api/conversations", {query: {unread: true}}): the decoded answer. Throws ApiError, Offline. Who asked
// draws what comes, so it is handed on when nothing is pressed.
export async function call(method, path, options = {}) {
  const authorised = async () =>
    request(method, path, {
      ...options,
      headers: { ...options.headers, Authorization: `Bearer ${await session.token()}` },
    });
  try {
    return await authorised();
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "token_expired")) throw error;
    await renew();
    return await authorised();
  } finally {
    await new Promise(calmly);
  }
}

async function request(method, path, { query, body, form, headers = {}, as = "json", seconds = 20 } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "" && value !== false) url.searchParams.set(name, value);
  }
  const sent = { method, signal: AbortSignal.timeout(seconds * 1000), credentials: "omit" };
  sent.headers = { "Accept-Language": language, ...headers };
  if (form) sent.body = form;
  else if (body !== undefined) {
    sent.headers["Content-Type"] = "application/json";
    sent.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(url, sent);
    if (answer.ok) return answer.status === 204 ? null : await answer[as]();
  } catch (error) {
    throw new Offline(String(error));
  }
  const problem = await answer.json().catch(() => ({}));
  throw new ApiError(answer.status, problem, Number(answer.headers.get("Retry-After")) || 0);
}
