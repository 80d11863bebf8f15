// Which doors this API has, by its own document: the page of a newer version hides what an older API lacks.
import { call } from "./api.js";

let paths = {};

export async function learn() {
  paths = (await call("GET", "/openapi.json")).paths;
}

export function has(method, path) {
  return method.toLowerCase() in (paths[path] ?? {});
}

export function takes(path, name) {
  return (paths[path]?.get?.parameters ?? []).some((parameter) => parameter.name === name);
}
