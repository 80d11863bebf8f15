// Which type of message carries a file, and pictures made into what WhatsApp takes: JPEG or PNG up to 5 MB.
import { say } from "./words.js";

const PICTURE = 5 * 1024 * 1024;
const LARGEST = 100 * 1024 * 1024;

export function kindOf(mime) {
  if (mime === "image/jpeg" || mime === "image/png") return "image";
  if (mime === "video/mp4" || mime === "video/3gpp") return "video";
  return mime.startsWith("audio/") ? "audio" : "document";
}

// The file as it can be sent. Throws with a sentence for people.
export async function prepared(file) {
  if (file.size > LARGEST)
    throw new Error(say(`${file.name} é maior que 100 MB.`, `${file.name} is larger than 100 MB.`));
  const isPicture = file.type.startsWith("image/") && file.type !== "image/svg+xml";
  if (!isPicture || (kindOf(file.type) === "image" && file.size <= PICTURE)) return file;
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Error(
      say(`${file.name} não pode ser lida como imagem.`, `${file.name} cannot be read as a picture.`),
    );
  }
  const scale = Math.min(1, 2560 / Math.max(picture.width, picture.height));
  const canvas = new OffscreenCanvas(Math.round(picture.width * scale), Math.round(picture.height * scale));
  const brush = canvas.getContext("2d");
  brush.fillStyle = "#fff"; // JPEG has no transparency
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.88 });
  return new File([blob], `${file.name.replace(/\.[^.]+$/, "")}.jpg`, { type: "image/jpeg" });
}
