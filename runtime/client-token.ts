import { createHash } from "node:crypto";

/**
 * The client token of one intended creation: the same until one of the parts changes, so that a repeated call, by this
 * process or the next, finds what the first one made. 32 hexadecimal characters; ECS allows 64.
 * @param parts what tells the intent from every other; none of them has a slash
 */
export function toClientToken(parts: readonly (string | number)[]): string {
  return createHash("sha256").update(parts.join("/")).digest("hex").slice(0, 32);
}
