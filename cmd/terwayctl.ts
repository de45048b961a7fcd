/** The tool for people: `terwayctl audit`. Status 0: nothing differs; 1: something does; 2: it could not be found out. */
import { Command } from "commander";
import { renderReport } from "../audit/report.ts";
import { audit } from "./audit.ts";
import { defaultConfigPath, defaultCredentialPath } from "./flags.ts";

interface AuditFlags {
  readonly config: string;
  readonly credential: string;
  readonly kubeconfig?: string;
  readonly json?: true;
}

const status = { same: 0, drift: 1, unknown: 2 } as const;

async function runAudit(flags: AuditFlags): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  const report = await audit({
    configPath: flags.config,
    credentialPath: flags.credential,
    kubeconfigPath: nonEmpty(flags.kubeconfig) ?? nonEmpty(process.env["KUBECONFIG"]),
    env: process.env,
    signal: stop.signal,
  });
  process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : renderReport(report));
  process.exitCode = report.drift === 0 ? status.same : status.drift;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

const program = new Command("terwayctl").description("Looks after the interfaces of pods.").exitOverride();
program
  .command("audit")
  .description("Compares records, cluster and cloud, and names every difference with its remedy. Changes nothing.")
  .option("--config <file>", "configuration of the controlplane", defaultConfigPath)
  .option("--credential <file>", "credential of the controlplane, or one that may only read", defaultCredentialPath)
  .option("--kubeconfig <file>", "default: $KUBECONFIG, else the pod's service account")
  .option("--json", "one JSON object instead of the table")
  .action(runAudit);

try {
  await program.parseAsync();
} catch (error) {
  // commander has said what is wrong with the command line, and ends so for --help, too.
  if (error instanceof Error && "exitCode" in error) {
    process.exitCode = error.exitCode === 0 ? status.same : status.unknown;
  } else {
    process.stderr.write(`the audit could not be made: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = status.unknown;
  }
}
