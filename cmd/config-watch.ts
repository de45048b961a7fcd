/** What of the configuration file counts while the process runs: key `degradation`. Every other key counts from the next start. */
import type { Clock, Logger } from "../runtime/ports.ts";
import { configKeys, type FileConfig } from "./config-keys.ts";
import { parseConfigFile, readContent, type ConfigFile, type Content } from "./config.ts";

/** Empty: all work is done. Which calls `l0` and `l1` hold back is decided in cloud/call-gate.ts. */
export type DegradationLevel = FileConfig["degradation"];

/** The level in force. */
export interface Degradation {
  level(): DegradationLevel;
  /** Calls `handler` after each change, with the new level. */
  onChange(handler: (level: DegradationLevel) => void): void;
}

export interface ConfigWatchOptions {
  readonly path: string;
  /** What this process was started with. */
  readonly started: FileConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * A mounted ConfigMap is exchanged by a symbolic link above the file, which tells watchers of the file nothing, and reaches
 * the machine up to a minute late anyway; so the file is read again.
 */
const pollMs = 5_000;

/** Reads the configuration file again and again; a part of the manager. */
export class ConfigWatch {
  readonly name = "config-watch";
  readonly needsLeader = false;
  readonly beforeCaches = true;
  readonly degradation: Degradation = {
    level: () => this.#level,
    onChange: (handler) => void this.#handlers.push(handler),
  };
  readonly #options: ConfigWatchOptions;
  readonly #handlers: ((level: DegradationLevel) => void)[] = [];
  #level: DegradationLevel;
  /** What was read last. */
  #seen = "";
  /** Keys of which the last reading said that they wait for a restart. */
  #waiting: readonly string[] = [];

  constructor(options: ConfigWatchOptions) {
    this.#options = options;
    this.#level = options.started.degradation;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { clock, path } = this.#options;
    while (!signal.aborted) {
      this.#look(readContent(path));
      // Aborting is the way to end.
      await clock.sleep(pollMs, signal).catch(() => undefined);
    }
  }

  /** Says nothing twice: what was read before is not judged again. */
  #look(content: Content): void {
    const seen = JSON.stringify(content);
    if (seen === this.#seen) return;
    this.#seen = seen;
    const file = parseConfigFile(content);
    this.#warnOfMistakes(file);
    if (file.problems.some(({ key }) => key === "--config")) return;
    this.#warnOfRestart(file.config);
    const isUsable = !file.replaced.has("degradation") && !file.problems.some(({ key }) => key === "degradation");
    if (isUsable) this.#change(file.config.degradation);
  }

  #warnOfMistakes({ problems, replaced, warnings }: ConfigFile): void {
    const { log, path } = this.#options;
    const lines = problems.map(({ key, problem, remedy }) => `${key}: ${problem}; ${remedy}`);
    if (problems.length > 0) {
      log.warn("the configuration file has mistakes: this process goes on as it was, another would not start", {
        config: path,
        problems: lines,
      });
    } else if (replaced.has("degradation") && this.#level !== "") {
      log.warn(`the configuration file names no known degradation; ${this.#level} stays in force`, {
        config: path,
        problems: warnings.filter((warning) => warning.startsWith("degradation ")),
      });
    }
  }

  #warnOfRestart(config: FileConfig): void {
    const { log, path, started } = this.#options;
    const waiting = membersOf(config).filter(
      (member) => member !== "degradation" && JSON.stringify(config[member]) !== JSON.stringify(started[member]),
    );
    const keys = waiting.map((member) => configKeys[member].key);
    if (keys.some((key) => !this.#waiting.includes(key))) {
      log.warn(`the configuration file has changed; only a restart puts in force: ${keys.join(", ")}`, {
        config: path,
      });
    }
    this.#waiting = keys;
  }

  #change(level: DegradationLevel): void {
    if (level === this.#level) return;
    this.#options.log.warn("degradation has changed", { from: this.#level, to: level });
    this.#level = level;
    for (const handler of this.#handlers) handler(level);
  }
}

function membersOf(config: FileConfig): readonly (keyof FileConfig)[] {
  return Object.keys(config).filter((member): member is keyof FileConfig => Object.hasOwn(configKeys, member));
}
