// Recording a voice message: mono Opus in Ogg, as WhatsApp wants it; where a browser records WebM, it is re-wrapped.
import { notice } from "./dialogs.js";
import { el, fill, tool } from "./dom.js";
import { duration } from "./format.js";
import { oggOf } from "./ogg.js";
import { say } from "./words.js";

const LONGEST = 5 * 60_000; // milliseconds
const WAYS = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];
const way = () => globalThis.MediaRecorder && WAYS.find((type) => MediaRecorder.isTypeSupported(type));

export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && way());

class Recorder {
  static async start() {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true },
    });
    return new Recorder(stream);
  }

  #parts = [];
  #began = Date.now();
  #timer = 0;

  constructor(stream) {
    this.stream = stream;
    this.recorder = new MediaRecorder(stream, { mimeType: way(), audioBitsPerSecond: 32_000 });
    this.recorder.ondataavailable = ({ data }) => this.#parts.push(data);
    this.recorder.start();
  }

  // Tells the time each quarter of a second.
  watch(tell) {
    const show = () => {
      tell(duration(Math.min(LONGEST, Date.now() - this.#began) / 1000));
      if (Date.now() - this.#began > LONGEST) this.recorder.state === "recording" && this.recorder.pause();
    };
    show();
    this.#timer = setInterval(show, 250);
  }

  // The recording as a file, null when nothing was heard.
  async stop() {
    clearInterval(this.#timer);
    if (this.recorder.state === "inactive") return null;
    await new Promise((resolve) => {
      this.recorder.onstop = resolve;
      this.recorder.stop();
    });
    for (const track of this.stream.getTracks()) track.stop();
    const type = way();
    const blob = new Blob(this.#parts, { type: type.split(";")[0] });
    if (!blob.size) return null;
    if (!type.includes("webm"))
      return new File([blob], type.includes("ogg") ? "voz.ogg" : "voz.m4a", { type: blob.type });
    return new File([oggOf(new Uint8Array(await blob.arrayBuffer()))], "voz.ogg", { type: "audio/ogg" });
  }
}

// Draws the recording into `row`; the file when it was sent, null when it was thrown away, left, or never began.
export async function recorded(row) {
  let recorder;
  try {
    recorder = await Recorder.start();
  } catch {
    notice(say("O navegador não deu acesso ao microfone.", "The browser gave no access to the microphone."), "bad");
    return null;
  }
  const clock = el("span", { class: "clock", role: "timer" });
  const kept = await new Promise((resolve) => {
    const discard = tool("trash", say("Descartar a gravação", "Discard the recording"), () => resolve(false));
    const label = say("Enviar a gravação", "Send the recording");
    const send = tool("send", label, () => resolve(true), { class: "tool send full" });
    fill(row, discard, el("span", { class: "recording" }, el("i"), say("Gravando", "Recording"), clock), send);
    send.focus();
    recorder.watch((text) => {
      clock.textContent = text;
      if (!row.isConnected) resolve(false); // another conversation was opened meanwhile
    });
  });
  const file = await recorder.stop();
  return kept ? file : null;
}
