import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { planesCanOverlap } from "../../domain/pod-network/plane-overlap.ts";

/** Which planes could match the same pods as another one, kept as planes come, change and go. */
export class Overlaps {
  readonly #planes = new Map<string, PodNetworking>();
  readonly #neighbours = new Map<string, Set<string>>();

  /** Names of the planes that could match pods of this one. */
  of(name: string): readonly string[] {
    return [...(this.#neighbours.get(name) ?? [])];
  }

  /** Takes in a new or changed plane. Returns those that it overlaps, or did before. */
  put(plane: PodNetworking): readonly string[] {
    const { name, uid, generation } = plane.metadata;
    const last = this.#planes.get(name)?.metadata;
    // The status, which changes often, does not decide.
    if (last !== undefined && last.uid === uid && last.generation === generation) return this.of(name);
    const affected = new Set(this.remove(name));
    this.#planes.set(name, plane);
    const found = new Set<string>();
    for (const other of this.#planes.values()) {
      if (other === plane || !planesCanOverlap(plane, other)) continue;
      found.add(other.metadata.name);
      this.#neighbours.get(other.metadata.name)?.add(name);
    }
    this.#neighbours.set(name, found);
    for (const other of found) affected.add(other);
    return [...affected];
  }

  /** Returns the planes that it overlapped. */
  remove(name: string): readonly string[] {
    const before = this.of(name);
    for (const other of before) this.#neighbours.get(other)?.delete(name);
    this.#neighbours.delete(name);
    this.#planes.delete(name);
    return before;
  }
}
