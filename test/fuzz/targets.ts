import { podAnnotations, reviews } from "./admission-targets.ts";
import { answers } from "./answers-target.ts";
import { configuration } from "./configuration-target.ts";
import { logLines } from "./log-target.ts";
import { objects } from "./objects-target.ts";
import type { Target } from "./target.ts";

/** Every target, by the order in which they run. */
export const targets: readonly Target[] = [podAnnotations, reviews, objects, answers, configuration, logLines];
