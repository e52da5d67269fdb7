// Checks that are counted, in the form of tools/clients/checks.py: one line each, and a closing line.

const count = { passed: 0, failed: 0 };

/** Runs one check; what it returns is a figure to print. */
export async function run(name, check) {
  const started = process.hrtime.bigint();
  try {
    const figure = await check();
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    count.passed += 1;
    console.log(`ok       ${name} (${seconds.toFixed(1)} s)${figure ? `: ${figure}` : ""}`);
  } catch (error) {
    count.failed += 1;
    const place = (error.stack ?? "").split("\n").filter((line) => line.includes("media.mjs")).slice(0, 2);
    console.log(`FAILED   ${name}: ${error.name}: ${error.message}\n${place.join("\n")}`);
  }
}

/** Prints the closing line and ends the process. */
export function close() {
  console.log(`${count.passed} passed, ${count.failed} failed, 0 skipped`);
  process.exit(count.failed > 0 || count.passed === 0 ? 1 : 0);
}
