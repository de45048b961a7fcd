import type { BindWatch } from "../sandbox/bind-watch.ts";
import type { Sandbox } from "./sandbox-world.ts";
export async function show(_s: Sandbox, o: { readonly watch: BindWatch; readonly signal: AbortSignal }): Promise<void> {
  await new Promise((resolve) => o.signal.addEventListener("abort", resolve));
}
