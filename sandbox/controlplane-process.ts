/** One controlplane process of the sandbox, started as the published program is, and what it writes. */
import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

export interface ControlplaneProcessOptions {
  /** Of the log lines and as `K8S_POD_NAME`. */
  readonly name: string;
  /** Absolute path of cmd/controlplane.ts. */
  readonly program: string;
  readonly configPath: string;
  readonly credentialPath: string;
  /** Every line goes there. */
  readonly logPath: string;
  readonly env: Readonly<Record<string, string>>;
  /** Each line of standard output that is a JSON object. */
  readonly onLine: (line: Readonly<Record<string, unknown>>) => void;
}

/** How a process ended: its exit code, or the signal that killed it. */
export type Ending = { readonly code: number } | { readonly signal: string };

/**
 * As the Dockerfile has it. The space for young objects is 32 MiB then; by default it grows to 128 MiB on a machine with much
 * memory, although almost nothing in it lives on.
 */
const nodeFlags = ["--max-semi-space-size=16"];

export class ControlplaneProcess {
  readonly name: string;
  /** Epoch milliseconds. */
  readonly startedAtMs: number;
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  readonly ended: Promise<Ending>;
  #hasEnded = false;

  constructor(options: ControlplaneProcessOptions) {
    this.name = options.name;
    this.#log = createWriteStream(options.logPath, { flags: "a" });
    const flags = ["--config", options.configPath, "--credential", options.credentialPath];
    this.startedAtMs = Date.now();
    this.#child = spawn(process.execPath, [...nodeFlags, options.program, ...flags], {
      env: {
        ...inherited(),
        // As the image has it: from the second start on it takes half the time.
        NODE_COMPILE_CACHE: join(dirname(options.program), "..", ".cache", "compile"),
        ...options.env,
        K8S_POD_NAME: options.name,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        this.#hasEnded = true;
        resolve(signal === null ? { code: code ?? 1 } : { signal });
      });
    });
    this.#read(options.onLine);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return !this.#hasEnded;
  }

  kill(signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    if (this.isRunning) this.#child.kill(signal);
  }

  /** Asks it to end and kills it after `limitMs`. */
  async stop(limitMs = 10_000): Promise<Ending> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), limitMs);
    const ending = await this.ended;
    clearTimeout(timer);
    this.#log.end();
    return ending;
  }

  #read(onLine: ControlplaneProcessOptions["onLine"]): void {
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) return;
    createInterface({ input: stdout }).on("line", (text) => {
      this.#log.write(`${text}\n`);
      const line = toLine(text);
      if (line !== undefined) onLine(line);
    });
    stderr.on("data", (chunk: Buffer) => {
      this.#log.write(chunk);
    });
  }
}

/** A process of its own gets what every process needs, and nothing that was meant for this one. */
function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "TMPDIR", "LANG"];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function toLine(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
