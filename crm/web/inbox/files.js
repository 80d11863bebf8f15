// Media: fetched with the token (an <img> sends none), kept as object URLs, shown when they come into view.
import { call } from "./api.js";
import { el, fill, icon, tool } from "./dom.js";
import { duration, size } from "./format.js";
import { say } from "./words.js";

const KEPT = 150; // object URLs; the least recently used is given back
const urls = new Map();

export function fetched(path) {
  const known =
    urls.get(path) ?? call("GET", path, { as: "blob", seconds: 120 }).then((blob) => URL.createObjectURL(blob));
  urls.delete(path);
  urls.set(path, known);
  known.catch(() => urls.delete(path));
  if (urls.size > KEPT) {
    const [oldest, url] = urls.entries().next().value;
    urls.delete(oldest);
    url.then(
      (given) => URL.revokeObjectURL(given),
      () => {},
    );
  }
  return known;
}

const source = (media) =>
  media.state === "LOCAL" ? Promise.resolve(media.url) : fetched(`/api/media/${media.id}`);
const small = (media) =>
  media.thumbnail && media.state === "READY" ? fetched(`/api/media/${media.id}/thumbnail`) : source(media);

const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        seen.unobserve(target);
        target.dispatchEvent(new Event("seen"));
      }
    }
  },
  { rootMargin: "400px" },
);

function whenSeen(node, work) {
  node.addEventListener("seen", work, { once: true });
  seen.observe(node);
  return node;
}

// The part of a bubble that holds a message's file.
export function mediaPart(message) {
  const { media, type } = message;
  if (!media) return null;
  if (media.state === "PENDING") return standing("clock", say("Recebendo o arquivo…", "Receiving the file…"));
  if (media.state === "DELETED") return standing("trash", say("Arquivo apagado", "File deleted"));
  if (media.state === "FAILED") return failed(media);
  if (type === "image" || type === "sticker") return picture(message);
  if (type === "video") return film(message);
  if (type === "audio" || type === "voice") return player(media);
  return paper(media);
}

function standing(name, text, ...more) {
  return el("p", { class: "standing" }, icon(name), text, more);
}

function failed(media) {
  const again = () => call("POST", `/api/media/${media.id}/retry`).catch(() => {});
  return standing(
    "warning",
    say("O arquivo não pôde ser baixado.", "The file could not be fetched."),
    el("button", { type: "button", class: "link", onclick: again }, say("Tentar de novo", "Try again")),
  );
}

function broken(node, again = null) {
  return () => {
    const told = standing(
      "warning",
      say("Não foi possível abrir o arquivo.", "The file cannot be opened."),
      again &&
        el(
          "button",
          { type: "button", class: "link", onclick: () => told.replaceWith(again()) },
          say("Tentar de novo", "Try again"),
        ),
    );
    node.replaceWith(told);
  };
}

// Its box has its size before the bytes are there, so that nothing jumps.
function box(media, most) {
  const width = media.width || 240;
  const height = media.height || 180;
  const scale = Math.min(1, most / width, most / height);
  return { width: Math.max(96, Math.round(width * scale)), height: Math.max(64, Math.round(height * scale)) };
}

function picture(message) {
  const { media, type, content } = message;
  const image = el("img", {
    ...box(media, type === "sticker" ? 140 : 300),
    alt: type === "sticker" ? say("Figurinha", "Sticker") : (content ?? ""),
    decoding: "async",
  });
  const button = el(
    "button",
    {
      type: "button",
      class: `picture ${type}`,
      "aria-label": say("Abrir a imagem", "Open the picture"),
      onclick: () => view(media),
    },
    image,
  );
  const again = broken(button, () => picture(message));
  return whenSeen(button, () => small(media).then((url) => (image.src = url), again));
}

async function view(media) {
  const image = el("img", { alt: "" });
  const dialog = el(
    "dialog",
    {
      class: "viewer",
      "aria-label": say("Imagem", "Picture"),
      onclose: () => dialog.remove(),
      onclick: () => dialog.close(),
    },
    el(
      "div",
      { class: "viewer-bar" },
      media.id && tool("download", say("Baixar", "Download"), (event) => (event.stopPropagation(), save(media))),
      tool("cross", say("Fechar", "Close"), () => dialog.close()),
    ),
    image,
  );
  document.body.append(dialog);
  dialog.showModal();
  image.src = await source(media).catch(() => small(media));
}

function film({ media }) {
  const place = el("div", { class: "film" });
  const play = el(
    "button",
    { type: "button", class: "film-play", "aria-label": say("Ver o vídeo", "Play the video") },
    icon("play"),
    el("span", {}, [media.duration && duration(media.duration), size(media.size)].filter(Boolean).join(" · ")),
  );
  play.onclick = async () => {
    play.disabled = true;
    try {
      fill(place, el("video", { src: await source(media), controls: true, autoplay: true, playsInline: true }));
    } catch {
      broken(place)();
    }
  };
  return fill(place, play);
}

// Only one voice speaks at a time.
let speaking = null; // {audio, node, id}

export function player(media) {
  // Its bubble is drawn anew: what speaks goes on in its place.
  if (media.id && speaking?.id === media.id && !speaking.audio.paused) return speaking.node;
  const audio = new Audio();
  const seek = el("input", {
    type: "range",
    min: 0,
    max: 1000,
    value: 0,
    "aria-label": say("Posição", "Position"),
    class: "seek",
  });
  const clock = el("span", { class: "clock" }, duration(media.duration));
  const speed = el("button", { type: "button", class: "speed", "aria-label": say("Velocidade", "Speed") }, "1×");
  const button = tool("play", say("Ouvir", "Play"), toggle, { class: "tool play" });
  const length = () => (Number.isFinite(audio.duration) ? audio.duration : media.duration) || 0;
  async function toggle() {
    if (!audio.src) {
      const url = await source(media).catch(() => null);
      if (!url) return; // the next press asks again
      audio.src = url;
    }
    if (audio.paused) {
      if (speaking?.audio !== audio) speaking?.audio.pause();
      speaking = { audio, node, id: media.id };
      await audio.play().catch(() => {});
    } else audio.pause();
  }
  function show() {
    fill(button, icon(audio.paused ? "play" : "pause"));
    button.setAttribute("aria-label", audio.paused ? say("Ouvir", "Play") : say("Pausar", "Pause"));
    const share = length() ? audio.currentTime / length() : 0;
    seek.value = share * 1000;
    seek.style.setProperty("--share", `${share * 100}%`);
    clock.textContent = duration(audio.currentTime || length());
  }
  for (const event of ["play", "pause", "ended", "timeupdate", "loadedmetadata"])
    audio.addEventListener(event, show);
  seek.oninput = () => length() && (audio.currentTime = (seek.value / 1000) * length());
  speed.onclick = () => {
    audio.playbackRate = { 1: 1.5, 1.5: 2, 2: 1 }[audio.playbackRate] ?? 1;
    speed.textContent = `${audio.playbackRate}×`;
  };
  const node = el("div", { class: "player" }, button, seek, clock, speed);
  return node;
}

function paper(media) {
  const kind = (media.filename?.split(".").pop() || media.mimeType?.split("/").pop() || "")
    .slice(0, 4)
    .toUpperCase();
  return el(
    "button",
    { type: "button", class: "paper", onclick: () => save(media) },
    el("span", { class: "paper-kind", "aria-hidden": "true" }, kind),
    el("span", { class: "paper-name" }, media.filename ?? say("Documento", "Document")),
    el("span", { class: "paper-size" }, size(media.size)),
    icon("download"),
  );
}

async function save(media) {
  const url = await source(media).catch(() => null);
  if (url) el("a", { href: url, download: media.filename ?? `${media.id}` }).click();
}
