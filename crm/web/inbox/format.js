// Times, phones and sizes as people read them.
import { language, say } from "./words.js";

const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(language, { weekday: "long" });
const short = new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit" });
const long = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

export const time = (at) => clock.format(new Date(at));
export const moment = (at) => full.format(new Date(at));

export function dayKey(at) {
  return new Date(at).toDateString();
}

function daysAgo(at) {
  const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(new Date()) - midnight(new Date(at))) / 86_400_000);
}

export function day(at) {
  const ago = daysAgo(at);
  if (ago === 0) return say("Hoje", "Today");
  if (ago === 1) return say("Ontem", "Yesterday");
  return ago > 1 && ago < 7 ? capital(weekday.format(new Date(at))) : long.format(new Date(at));
}

// As short as a list needs it.
export function brief(at) {
  const ago = daysAgo(at);
  if (ago <= 0) return time(at);
  if (ago === 1) return say("ontem", "yesterday");
  return ago < 7 ? weekday.format(new Date(at)).slice(0, 3) : short.format(new Date(at));
}

// A time ahead: today's by its hour, others with their day.
export function ahead(at) {
  return daysAgo(at) === 0 ? time(at) : `${short.format(new Date(at))} ${time(at)}`;
}

export function remaining(until) {
  const minutes = Math.floor((new Date(until) - Date.now()) / 60_000);
  if (minutes < 0) return null;
  if (minutes < 60) return say(`${minutes} min`, `${minutes} min`);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}

export function phone(text) {
  const brazil = /^\+55(\d\d)(\d{4,5})(\d{4})$/.exec(text ?? "");
  return brazil ? `+55 ${brazil[1]} ${brazil[2]}-${brazil[3]}` : (text ?? "");
}

export function size(bytes) {
  if (!bytes) return "";
  const [value, unit] = bytes < 1024 * 1024 ? [Math.max(1, bytes / 1024), "KB"] : [bytes / 1024 / 1024, "MB"];
  return `${value.toLocaleString(language, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${unit}`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// The value of an <input type="datetime-local">, in this person's own time.
export function local(date) {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
