// Text within limits. UTF-8 is counted by hand: frames are short and this package needs no
// encoder object.

/**
 * How many bytes this string takes in UTF-8. A lone surrogate counts 3, as its replacement does.
 */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (isPairAt(text, i)) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

/**
 * True if `text` takes more than `maxBytes` in UTF-8. Huge text is refused without being
 * counted.
 */
export function isLongerThan(text: string, maxBytes: number): boolean {
  if (text.length > maxBytes) return true;
  if (text.length * 3 <= maxBytes) return false; // a UTF-16 unit never takes more than 3 bytes
  return utf8Bytes(text) > maxBytes;
}

/**
 * Cut to at most `maxBytes` of UTF-8, never inside a character. For close reasons and log lines.
 */
export function clipText(text: string, maxBytes: number): string {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const isPair = isPairAt(text, i);
    const unit = text.charCodeAt(i);
    bytes += isPair ? 4 : unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
    if (bytes > maxBytes) return text.slice(0, i);
    if (isPair) i++;
  }
  return text;
}

/** Lone surrogates replaced: deployed monitors refuse them, and a careless slice makes them. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

function isPairAt(text: string, at: number): boolean {
  const high = text.charCodeAt(at);
  const low = text.charCodeAt(at + 1); // NaN past the end, which compares false
  return high >= 0xd800 && high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff;
}
