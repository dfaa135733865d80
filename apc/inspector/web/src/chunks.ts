// The compressed chunks of the page, each in a script element of its own; docs/report.md lists them.

const KEPT_BYTES = 96 << 20;
const opened = new Map<string, { bytes: number; content: Promise<ArrayBuffer> }>();

/** The bytes of a chunk, unpacked. The most recently used ones are kept, up to KEPT_BYTES. */
export function chunk(name: string): Promise<ArrayBuffer> {
  const known = opened.get(name);
  opened.delete(name);
  const entry = known ?? open(name);
  opened.set(name, entry);
  evict();
  return entry.content;
}

/** A chunk of JSON. */
export async function jsonChunk<T>(name: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await chunk(name))) as T;
}

function open(name: string): { bytes: number; content: Promise<ArrayBuffer> } {
  const element = document.getElementById(`chunk-${name}`);
  if (!element) throw new Error(`this report holds no chunk ${name}`);
  const bytes = Number(element.dataset["bytes"] ?? 0);
  return { bytes, content: inflate(element.textContent ?? "") };
}

async function inflate(base64: string): Promise<ArrayBuffer> {
  const text = atob(base64.trim());
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function evict(): void {
  let total = 0;
  for (const entry of opened.values()) total += entry.bytes;
  for (const [name, entry] of opened) {
    if (total <= KEPT_BYTES || opened.size <= 1) return;
    opened.delete(name);
    total -= entry.bytes;
  }
}
