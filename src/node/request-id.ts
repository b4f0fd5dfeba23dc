// Request IDs of our own, so that Keystone's notifications and logs tell our writes from those of others.

/** A new `X-OpenStack-Request-Id`: "req-" and a UUID, from 16 random bytes. */
export function requestId(random: Uint8Array): string {
  return `req-${uuid(random)}`;
}

/** An RFC 9562 version 4 UUID over 16 random bytes. */
function uuid(random: Uint8Array): string {
  const bytes = Uint8Array.from(random);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
