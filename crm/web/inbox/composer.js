// Where a person writes: a message or a note, files by button, drop or paste, a voice, a template, now or later.
import { note, send } from "./actions.js";
import { Attachments, picker } from "./attachments.js";
import { notice } from "./dialogs.js";
import { el, fill, grow, icon, tool } from "./dom.js";
import { has } from "./doors.js";
import { keeper, recalled } from "./drafts.js";
import { moment } from "./format.js";
import { chooseTime } from "./scheduled.js";
import { closed, why, windowShut } from "./shut.js";
import { chat, tell } from "./state.js";
import { suggestions } from "./suggest.js";
import { chooseTemplate } from "./templates.js";
import { canRecord, recorded } from "./voice.js";
import { say } from "./words.js";

const TYPING = 4000; // milliseconds between two words of it

export let speak = () => {}; // to the socket; app.js sets it
export const speakBy = (given) => (speak = given);

export function composer(id) {
  return new Composer(id);
}

class Composer {
  #mode = "message";
  #files = null;
  #save = null;
  #reply = null;
  #other = ""; // what was begun in the other mode
  #told = 0;
  #conversation = null;
  #why = null;
  #recording = false;
  #text = el("textarea", { rows: 1, maxLength: 4096, id: "composer" });
  #quote = el("div", { class: "quote", hidden: true });
  #shut = el("div", { class: "shut", hidden: true });
  #row = el("div", { class: "composer-row" });
  #suggest = suggestions(this.#text, { mode: () => this.#mode, id: () => this.id });
  #input = picker((files) => this.attach(files));

  constructor(id) {
    this.id = id;
    this.#save = keeper(id);
    this.#files = new Attachments(id, () => this.#redrawButton());
    this.node = el(
      "form",
      { class: "composer", onsubmit: (event) => (event.preventDefault(), this.submit()) },
      this.#suggest.node,
      this.#quote,
      this.#files.tray,
      this.#shut,
      this.#tabs(),
      this.#row,
      this.#input,
    );
    this.#other = chat(id).note;
    this.#listen();
    this.#draw();
    this.#files.draw();
    if (chat(id).replyTo) this.#cite(chat(id).replyTo);
    void this.#recall();
  }

  #tabs() {
    if (!has("POST", "/api/conversations/{id}/notes")) return null;
    const tab = (mode, text) =>
      el("button", { type: "button", role: "tab", data: { mode }, onclick: () => this.mode(mode) }, text);
    return el(
      "div",
      { class: "modes", role: "tablist", "aria-label": say("O que escrever", "What to write") },
      tab("message", say("Mensagem", "Message")),
      tab("note", say("Nota interna", "Internal note")),
    );
  }

  // Each mode has its own words: a note that was begun must not stand where it would go to the guest.
  mode(mode) {
    if (mode !== this.#mode) [this.#text.value, this.#other] = [this.#other, this.#text.value];
    this.#mode = mode;
    this.#draw();
    this.focus();
  }

  focus() {
    this.#text.focus();
  }

  reply(message) {
    this.mode("message");
    this.#cite(message);
    this.#draw();
    this.focus();
  }

  #cite(message) {
    this.#reply = chat(this.id).replyTo = message;
    fill(
      this.#quote,
      icon("reply"),
      el(
        "p",
        {},
        el("strong", {}, say("Respondendo a", "Replying to")),
        ` ${(message.content ?? "").slice(0, 160)}`,
      ),
      tool("cross", say("Não citar", "Do not quote"), () => this.#unquote()),
    );
    this.#quote.hidden = false;
  }

  #unquote() {
    this.#reply = chat(this.id).replyTo = null;
    this.#quote.hidden = true;
  }

  update(conversation) {
    const before = this.#why; // as it was then: a window closes by the clock alone
    this.#conversation = conversation;
    this.#why = why(conversation);
    if (before !== this.#why) this.#draw();
  }

  end() {
    this.#save.now();
  }

  // --- drawing ----------------------------------------------------------------------------------------------------

  #draw() {
    const isNote = this.#mode === "note";
    const shut = !isNote && why(this.#conversation);
    this.node.classList.toggle("as-note", isNote);
    for (const tab of this.node.querySelectorAll("[role=tab]"))
      tab.setAttribute("aria-selected", String(tab.dataset.mode === this.#mode));
    const label = isNote
      ? say("Nota para a equipe; @ chama alguém", "Note for the team; @ names somebody")
      : has("GET", "/api/quick-replies")
        ? say("Mensagem, ou / para respostas rápidas", "Message, or / for quick replies")
        : say("Mensagem", "Message");
    this.#text.placeholder = !isNote && innerWidth <= 760 ? say("Mensagem", "Message") : label;
    this.#text.setAttribute("aria-label", label);
    this.#shut.hidden = !shut;
    this.#row.hidden = Boolean(shut) && !this.#recording;
    if (shut) fill(this.#shut, shut === "closed" ? closed(this.id) : windowShut(() => this.template()));
    if (this.#recording) return; // its buttons stand in the row
    fill(
      this.#row,
      !isNote && tool("clip", say("Anexar arquivos", "Attach files"), () => this.#input.click()),
      !isNote && tool("template", say("Modelos", "Templates"), () => this.template()),
      this.#text,
      !isNote &&
        has("GET", "/api/messages/scheduled") &&
        tool("clock", say("Agendar", "Schedule"), () => this.#schedule()),
      this.#button(),
    );
  }

  #button() {
    const idle = !this.#text.value.trim() && !this.#files.count;
    if (this.#mode === "message" && idle && canRecord())
      return tool("mic", say("Gravar uma mensagem de voz", "Record a voice message"), () => this.#record(), {
        class: "tool send",
      });
    const label = this.#mode === "note" ? say("Guardar a nota", "Save the note") : say("Enviar", "Send");
    return el("button", { class: "tool send full", "aria-label": label, title: label }, icon("send"));
  }

  #redrawButton() {
    if (this.#recording) return;
    const old = this.#row.querySelector(".send");
    const fresh = this.#button();
    if (old && old.title !== fresh.title) old.replaceWith(fresh);
  }

  // --- writing ----------------------------------------------------------------------------------------------------

  #listen() {
    const text = this.#text;
    text.addEventListener("input", () => {
      grow(text);
      this.#redrawButton();
      this.#typing();
      if (this.#mode === "message") this.#save(text.value);
      else chat(this.id).note = text.value;
    });
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.defaultPrevented) return;
      event.preventDefault();
      this.submit();
    });
    text.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) {
        event.preventDefault();
        this.attach(files);
      }
    });
  }

  #typing() {
    if (this.#mode === "note" || Date.now() - this.#told < TYPING) return;
    this.#told = Date.now();
    speak("typing", { conversationId: this.id, typing: true });
  }

  #quiet() {
    if (this.#told) speak("typing", { conversationId: this.id, typing: false });
    this.#told = 0;
  }

  submit() {
    const content = this.#text.value.trim();
    if (this.#mode === "note") return content && this.#keep(content);
    if (this.#files.count) {
      const replyTo = this.#taken();
      this.#clear();
      return this.#files.send(content, replyTo);
    }
    if (!content) return undefined;
    this.#clear();
    return send(this.id, { body: { content, replyTo: this.#taken() }, shown: { type: "text", content } });
  }

  // Its place is free at once, for who writes on, and stays with notes: a second one must not go to the guest.
  async #keep(content) {
    const mentions = this.#suggest.mentioned(content);
    this.#clear();
    try {
      await note(this.id, content, mentions);
    } catch (error) {
      this.#giveBack(content);
      tell("trouble", error);
    }
  }

  // A note that was not kept stands before what has been begun since; its writer may have gone, and come back.
  #giveBack(content) {
    const known = chat(this.id);
    known.note = [content, known.note].filter(Boolean).join("\n");
    tell("note", this.id);
  }

  noteAgain() {
    if (this.#mode === "note") this.#text.value = chat(this.id).note;
    else this.#other = chat(this.id).note;
    grow(this.#text);
    this.#redrawButton();
  }

  #taken() {
    const id = this.#reply?.id;
    this.#unquote();
    return id;
  }

  #clear() {
    this.#text.value = "";
    grow(this.#text);
    this.#quiet();
    if (this.#mode === "message") this.#save("");
    else chat(this.id).note = "";
    this.#draw();
    this.focus();
  }

  template() {
    chooseTemplate(this.#conversation, (body, shown, sendAt) =>
      send(this.id, {
        body: { type: "template", template: body, sendAt },
        shown: { type: "template", content: shown, payload: { template: body } },
      }),
    );
  }

  async #schedule() {
    const content = this.#text.value.trim();
    if (!content)
      return notice(
        say(
          "Escreva a mensagem, depois escolha quando ela sai.",
          "Write the message, then choose when it goes out.",
        ),
      );
    const sendAt = await chooseTime();
    if (!sendAt) return undefined;
    this.#clear();
    const sent = await send(this.id, {
      body: { content, sendAt, replyTo: this.#taken() },
      shown: { type: "text", content, sendAt },
    });
    return sent && notice(say(`Agendada para ${moment(sendAt)}`, `Scheduled for ${moment(sendAt)}`));
  }

  // What was begun before takes nothing away from who is writing already, and is never a note.
  async #recall() {
    const begun = await recalled(this.id);
    if (this.#mode === "note") this.#other ||= begun;
    else this.#text.value ||= begun;
    this.#redrawButton();
  }

  attach(files) {
    if (this.#mode === "note") this.mode("message");
    this.focus();
    return this.#files.attach(files);
  }

  async #record() {
    this.#recording = true;
    const file = await recorded(this.#row);
    this.#recording = false;
    this.#draw();
    if (file) await this.#files.sendOne(file, { type: file.type === "audio/ogg" ? "voice" : "audio" });
  }
}
