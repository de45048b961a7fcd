/**
 * Gives `Reflect` the three functions that `@peculiar/x509` needs of a metadata polyfill before it can be loaded.
 *
 * Its dependency injection refuses to start without them, though nothing this program calls stores metadata. Imported for its
 * effect, before the library.
 */

const metadata = new WeakMap<object, Map<unknown, unknown>>();

function getMetadata(key: unknown, target: object): unknown {
  return metadata.get(target)?.get(key);
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const entries = metadata.get(target) ?? new Map<unknown, unknown>();
  metadata.set(target, entries.set(key, value));
}

// Another module's complete polyfill is left in place.
if (!("getMetadata" in Reflect)) Object.assign(Reflect, { getMetadata, getOwnMetadata: getMetadata, defineMetadata });
