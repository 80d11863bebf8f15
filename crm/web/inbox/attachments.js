// The files a person has put beside a message: shown, taken out again, sent one after the other.
import { send, upload } from "./actions.js";
import { notice } from "./dialogs.js";
import { el, fill, icon, tool } from "./dom.js";
import { size } from "./format.js";
import { kindOf, prepared } from "./pictures.js";
import { calmly } from "./press.js";
import { chat, pretend, settle } from "./state.js";
import { say } from "./words.js";

const MOST = 10; // files at a time
const CAPTIONED = ["image", "video", "document"];

// The browser's own question for files.
export function picker(take) {
  const input = el("input", {
    type: "file",
    multiple: true,
    hidden: true,
    tabIndex: -1,
    onchange: () => (take([...input.files]), (input.value = "")),
  });
  return input;
}

export class Attachments {
  #files;
  #preparing = Promise.resolve();
  #coming = 0;

  // changed() is called when there are files, or none any more.
  constructor(id, changed) {
    this.#files = chat(id).files;
    Object.assign(this, { id, changed, tray: el("div", { class: "tray", hidden: true }) });
  }

  get count() {
    return this.#files.length + this.#coming;
  }

  attach(files) {
    if (files.length > MOST)
      notice(say(`São no máximo ${MOST} arquivos por vez.`, `At most ${MOST} files at a time.`), "bad");
    this.#coming += 1;
    this.#preparing = this.#preparing.then(() => this.#prepare(files)).finally(() => {
      this.#coming -= 1;
      this.changed();
    });
    this.changed();
    return this.#preparing;
  }

  async #prepare(files) {
    for (const file of files.slice(0, MOST)) {
      try {
        this.#files.push(await prepared(file));
      } catch (error) {
        notice(error.message, "bad");
      }
    }
    calmly(() => this.draw());
  }

  draw() {
    this.tray.hidden = !this.#files.length;
    fill(
      this.tray,
      this.#files.map((file, at) => this.#figure(file, at)),
    );
    this.changed();
  }

  #figure(file, at) {
    const url = file.type.startsWith("image/") ? URL.createObjectURL(file) : null;
    const remove = () => (this.#files.splice(at, 1), this.draw());
    return el(
      "figure",
      {},
      url ? el("img", { src: url, alt: "", onload: () => URL.revokeObjectURL(url) }) : icon("paper", "large"),
      el("figcaption", {}, file.name, el("small", {}, size(file.size))),
      tool("cross", say(`Tirar ${file.name}`, `Remove ${file.name}`), remove),
    );
  }

  // All are shown at once, and sent in their order; the first carries the caption.
  async send(caption, replyTo) {
    await this.#preparing;
    const files = this.#files.splice(0);
    this.draw();
    if (!files.length && caption)
      return send(this.id, { body: { content: caption, replyTo }, shown: { content: caption } });
    const all = files.map((file, at) => this.#shown(file, at ? {} : { caption, replyTo }));
    for (const one of all) await this.#deliver(one);
    return undefined;
  }

  sendOne(file, more) {
    return this.#deliver(this.#shown(file, more));
  }

  #shown(file, { caption = "", replyTo, type = kindOf(file.type) }) {
    const media = {
      state: "LOCAL",
      url: URL.createObjectURL(file),
      mimeType: file.type,
      filename: file.name,
      size: file.size,
    };
    const takes = CAPTIONED.includes(type) && caption ? { caption } : {};
    const shown = { type, content: caption, media, ...takes };
    const waiting = pretend(this.id, { ...shown, clientMessageId: `file-${Math.random()}`, uploading: true });
    return { file, caption, replyTo, type, takes, shown, waiting };
  }

  // Shown while it uploads; then the message goes as any other.
  async #deliver({ file, caption, replyTo, type, takes, shown, waiting }) {
    try {
      const kept = await upload(file);
      settle(waiting, null);
      await send(this.id, {
        body: { type, mediaId: kept.id, replyTo, ...takes },
        shown: { ...shown, mediaId: kept.id },
      });
      if (caption && !takes.caption)
        await send(this.id, { body: { content: caption }, shown: { content: caption } });
    } catch (error) {
      const again = () => (settle(waiting, null), this.sendOne(file, { caption, replyTo, type }));
      const failed = error.status
        ? error.message
        : say("O arquivo não foi enviado: sem conexão.", "The file was not sent: no connection.");
      settle(waiting, { ...waiting, failed, again, discard: () => settle(waiting, null) });
    }
  }
}
