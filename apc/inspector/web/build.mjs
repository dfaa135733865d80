// Bundles the page's program: src/main.tsx and src/style.css into ../bundle/{inspector.js,inspector.css,licences.txt}.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "bundle");

const common = { absWorkingDir: here, bundle: true, minify: true, write: false, legalComments: "none", logLevel: "warning" };
const script = await build({
  ...common,
  entryPoints: ["src/main.tsx"],
  format: "iife",
  target: "es2022",
  charset: "utf8",
  metafile: true,
  jsx: "automatic",
  jsxImportSource: "preact",
  define: { "process.env.NODE_ENV": '"production"' },
});
const style = await build({ ...common, entryPoints: ["src/style.css"], charset: "utf8" });

/** The npm packages, as paths under node_modules, that files of the bundle come from. */
function packagesOf(metafile) {
  const inputs = Object.keys(metafile.outputs).flatMap((name) => Object.keys(metafile.outputs[name].inputs));
  const found = inputs.map((input) => input.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0]);
  return [...new Set(found.filter(Boolean))].sort();
}

/** Name, version, licence and licence text of one package. A package without a licence must not be bundled. */
function notice(folder) {
  const facts = JSON.parse(readFileSync(join(here, folder, "package.json"), "utf8"));
  const file = readdirSync(join(here, folder)).find((name) => /^licen[cs]e/i.test(name));
  if (!facts.license) throw new Error(`${relative(here, folder)} states no licence`);
  const text = file ? readFileSync(join(here, folder, file), "utf8").trim() : "(the package has no licence file)";
  return `${facts.name} ${facts.version}: ${facts.license}\n\n${text}\n`;
}

/** A file that is there is complete: others may be reading it. */
function put(name, contents) {
  const path = join(target, name);
  writeFileSync(`${path}.new`, contents);
  renameSync(`${path}.new`, path);
}

if (!existsSync(target)) mkdirSync(target);
const licences = packagesOf(script.metafile).map(notice).join(`\n${"-".repeat(72)}\n\n`);
put("licences.txt", licences);
put("inspector.css", style.outputFiles[0].contents);
put("inspector.js", script.outputFiles[0].contents);
console.log(`bundle: inspector.js ${script.outputFiles[0].contents.length} bytes, inspector.css ${style.outputFiles[0].contents.length}`);
