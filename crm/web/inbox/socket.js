// The live socket: signs in by its first frame, comes back by itself, and resumes after the last event it has heard.
import { session } from "./api.js";

const BEAT = 20_000; // milliseconds between two pings; an answer is missed after half of that
const SLOWEST = 15_000; // the longest pause between two tries

export class Live {
  #socket = null;
  #since = null; // the seq of the last event heard without a gap
  #highest = 0;
  #head = 0; // what `ready` told
  #resuming = false;
  #tries = 0;
  #timers = {};
  #joined = null;
  #stopped = false;

  // heard(event, data) is called for every event, status("online" | "connecting" | "offline") when that changes.
  constructor(heard, status, refused) {
    Object.assign(this, { heard, status, refused });
    addEventListener("online", () => this.now());
    addEventListener("offline", () => this.#socket?.close());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
  }

  now() {
    if (this.#stopped || this.#socket) return;
    this.#tries = 0;
    clearTimeout(this.#timers.again);
    this.open();
  }

  async open() {
    this.#stopped = false;
    this.status("connecting");
    let token;
    try {
      token = await session.token();
    } catch {
      return this.#again();
    }
    if (this.#socket || this.#stopped) return;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.#socket = socket;
    socket.onopen = () => this.say("auth", { token });
    socket.onmessage = (frame) => this.#take(JSON.parse(frame.data));
    socket.onclose = ({ code }) => this.#closed(socket, code);
  }

  stop() {
    this.#stopped = true;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#socket?.close();
    this.#socket = null;
    this.#since = null;
  }

  say(event, data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ event, data }));
  }

  join(conversation) {
    if (this.#joined === conversation) return;
    if (this.#joined) this.say("conversation:leave", this.#joined);
    this.#joined = conversation;
    if (conversation) this.say("conversation:join", conversation);
  }

  #take({ event, data, seq }) {
    if (event === "ready") this.#ready(data);
    if (event === "pong") this.#answered();
    if (event === "resync") this.#highest = Math.max(this.#highest, this.#head); // the page reads all anew
    if (seq) {
      this.#highest = Math.max(this.#highest, seq);
      if (!this.#resuming) this.#since = this.#highest;
    }
    this.heard(event, data);
  }

  // A first visit starts at the server's seq; a later one asks for what it missed. Live events may come between the
  // replayed ones, so `since` moves on only when the pong behind `resume` says that the replay is over.
  #ready({ seq }) {
    this.#tries = 0;
    this.#head = seq;
    if (this.#since === null) this.#since = seq;
    else {
      this.#resuming = true;
      this.say("resume", { since: this.#since });
    }
    this.#highest = this.#since;
    if (this.#joined) this.say("conversation:join", this.#joined);
    this.status("online");
    this.#beat();
    clearTimeout(this.#timers.renew);
    this.#timers.renew = setTimeout(() => this.#renew(), session.renewsIn + 500);
  }

  async #renew() {
    try {
      this.say("auth", { token: await session.token() });
      this.#timers.renew = setTimeout(() => this.#renew(), session.renewsIn + 500);
    } catch {
      this.#timers.renew = setTimeout(() => this.#renew(), 5000);
    }
  }

  #beat() {
    this.say("ping");
    clearTimeout(this.#timers.silent);
    this.#timers.silent = setTimeout(() => this.#lost(), BEAT / 2);
  }

  #answered() {
    if (this.#resuming) {
      this.#resuming = false;
      this.#since = this.#highest;
    }
    clearTimeout(this.#timers.silent);
    clearTimeout(this.#timers.beat);
    this.#timers.beat = setTimeout(() => this.#beat(), BEAT);
  }

  // A peer that has gone without a word: the close frame would wait for it too.
  #lost() {
    const socket = this.#socket;
    socket?.close();
    this.#closed(socket, 1006);
  }

  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#resuming = false;
    clearTimeout(this.#timers.silent);
    clearTimeout(this.#timers.beat);
    if (this.#stopped) return;
    if (code === 4403) return this.refused();
    if (code === 4401) session.distrust();
    this.#again();
  }

  #again() {
    this.status(navigator.onLine ? "connecting" : "offline");
    const pause = Math.min(SLOWEST, 300 * 2 ** this.#tries++) * (0.5 + Math.random() / 2);
    clearTimeout(this.#timers.again);
    if (!this.#stopped) this.#timers.again = setTimeout(() => this.open(), pause);
  }
}
