// Opus from WebM into Ogg (RFC 7845): the same packets in another wrapping, nothing is encoded again.

const SEGMENT = 0x18538067;
const CLUSTER = 0x1f43b675;
const BLOCK_GROUP = 0xa0;
const BLOCK = 0xa1;
const SIMPLE_BLOCK = 0xa3;
const RATE = 48_000; // Opus counts in this, whatever was recorded
const SKIP = 312; // samples a decoder throws away at the start
const PAGE = 50; // packets of a page: a second of them
const FRAME_MS = [10, 20, 40, 60, 10, 20, 40, 60, 10, 20, 40, 60, 10, 20, 10, 20]; // by TOC config, up to 15

export function oggOf(webm) {
  const packets = [...blocks(webm, 0, webm.length)];
  const pages = [page([head()], 0, 0, 2), page([tags()], 0, 1, 0)];
  let samples = 0;
  for (let at = 0; at < packets.length; at += PAGE) {
    const some = packets.slice(at, at + PAGE);
    samples += some.reduce((sum, packet) => sum + length(packet), 0);
    pages.push(page(some, samples, pages.length, at + PAGE >= packets.length ? 4 : 0));
  }
  return new Blob(pages, { type: "audio/ogg" });
}

// --- WebM (EBML): elements of id, size and content; a size of all ones is "until the end" -----------------------------

function* blocks(bytes, from, to) {
  let at = from;
  while (at < to) {
    const id = number(bytes, at, false);
    const size = number(bytes, at + id.bytes, true);
    const start = at + id.bytes + size.bytes;
    const end = size.unknown ? to : Math.min(to, start + size.value);
    if ([SEGMENT, CLUSTER, BLOCK_GROUP].includes(id.value)) yield* blocks(bytes, start, end);
    else if (id.value === SIMPLE_BLOCK || id.value === BLOCK)
      yield bytes.subarray(start + number(bytes, start, true).bytes + 3, end);
    at = end;
  }
}

function number(bytes, at, isSize) {
  const first = bytes[at] || 1;
  const width = Math.clz32(first) - 23;
  let value = isSize ? first & (0xff >> width) : first;
  let unknown = isSize && value === 0xff >> width;
  for (let next = 1; next < width; next += 1) {
    value = value * 256 + bytes[at + next];
    unknown &&= bytes[at + next] === 0xff;
  }
  return { value, bytes: width, unknown };
}

// --- Opus: how many samples a packet holds (RFC 6716, section 3.1) ------------------------------------------------

function length(packet) {
  const config = packet[0] >> 3;
  const ms = config < 16 ? FRAME_MS[config] : 2.5 * 2 ** (config % 4);
  const frames = [1, 2, 2, packet[1] & 63][packet[0] & 3];
  return (ms * frames * RATE) / 1000;
}

// --- Ogg ----------------------------------------------------------------------------------------------------------

const text = (words) => new TextEncoder().encode(words);

function head() {
  const bytes = new Uint8Array(19);
  const view = new DataView(bytes.buffer);
  bytes.set(text("OpusHead"));
  bytes[8] = 1;
  bytes[9] = 1; // mono
  view.setUint16(10, SKIP, true);
  view.setUint32(12, RATE, true);
  return bytes;
}

function tags() {
  const vendor = text("crm");
  const bytes = new Uint8Array(16 + vendor.length);
  bytes.set(text("OpusTags"));
  new DataView(bytes.buffer).setUint32(8, vendor.length, true);
  bytes.set(vendor, 12);
  return bytes;
}

function page(packets, granule, sequence, flags) {
  const lacing = packets.flatMap(({ length: size }) => [
    ...new Array(Math.floor(size / 255)).fill(255),
    size % 255,
  ]);
  const bytes = new Uint8Array(27 + lacing.length + packets.reduce((sum, packet) => sum + packet.length, 0));
  const view = new DataView(bytes.buffer);
  bytes.set(text("OggS"));
  bytes[5] = flags;
  view.setBigUint64(6, BigInt(Math.round(granule)), true);
  view.setUint32(14, 1, true);
  view.setUint32(18, sequence, true);
  bytes[26] = lacing.length;
  bytes.set(lacing, 27);
  let at = 27 + lacing.length;
  for (const packet of packets) {
    bytes.set(packet, at);
    at += packet.length;
  }
  view.setUint32(22, checksum(bytes), true);
  return bytes;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index << 24;
  for (let bit = 0; bit < 8; bit += 1) value = value & 0x80000000 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value >>> 0;
});

function checksum(bytes) {
  let sum = 0;
  for (const byte of bytes) sum = ((sum << 8) ^ TABLE[((sum >>> 24) ^ byte) & 0xff]) >>> 0;
  return sum;
}
