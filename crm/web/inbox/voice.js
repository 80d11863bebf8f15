// Recording a voice message: mono Opus in Ogg, as WhatsApp wants it; where a browser records WebM, it is re-wrapped.
import { duration } from "./format.js";
import { oggOf } from "./ogg.js";

const LONGEST = 5 * 60_000; // milliseconds
const WAYS = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];
const way = () => globalThis.MediaRecorder && WAYS.find((type) => MediaRecorder.isTypeSupported(type));

export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && way());

export class Recorder {
  static async start() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true } });
    return new Recorder(stream);
  }

  #parts = [];
  #began = Date.now();

  constructor(stream) {
    this.stream = stream;
    this.recorder = new MediaRecorder(stream, { mimeType: way(), audioBitsPerSecond: 32_000 });
    this.recorder.ondataavailable = ({ data }) => this.#parts.push(data);
    this.recorder.start();
  }

  // Tells the time each quarter of a second; the answer ends that.
  watch(tell) {
    const show = () => {
      tell(duration((Date.now() - this.#began) / 1000));
      if (Date.now() - this.#began > LONGEST) this.recorder.state === "recording" && this.recorder.pause();
    };
    show();
    const timer = setInterval(show, 250);
    return () => clearInterval(timer);
  }

  // The recording as a file, null when nothing was heard.
  async stop() {
    if (this.recorder.state === "inactive") return null;
    await new Promise((resolve) => {
      this.recorder.onstop = resolve;
      this.recorder.stop();
    });
    for (const track of this.stream.getTracks()) track.stop();
    const type = way();
    const blob = new Blob(this.#parts, { type: type.split(";")[0] });
    if (!blob.size) return null;
    if (!type.includes("webm")) return new File([blob], type.includes("ogg") ? "voz.ogg" : "voz.m4a", { type: blob.type });
    return new File([oggOf(new Uint8Array(await blob.arrayBuffer()))], "voz.ogg", { type: "audio/ogg" });
  }
}
