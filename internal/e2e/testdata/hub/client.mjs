// Does with the Hub's own client what a test asks for, and prints what it saw:
//   node client.mjs MODULES ENDPOINT TOKEN REPOSITORY FOLDER
// makes the repository, uploads every file of the folder in one commit, and
// lists the files that are there then.
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, hubUrl, accessToken, name, folder] = process.argv.slice(2);
const hub = await import(pathToFileURL(join(modules, "@huggingface", "hub", "dist", "index.mjs")));
const repo = { type: "dataset", name };

async function* filesOf(dir, prefix = "") {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      yield* filesOf(join(dir, entry.name), prefix + entry.name + "/");
    } else {
      yield { path: prefix + entry.name, content: new Blob([await readFile(join(dir, entry.name))]) };
    }
  }
}

try {
  await hub.createRepo({ repo, hubUrl, accessToken });
} catch (e) {
  if (e.statusCode !== 409) throw e; // it is there
}
const files = [];
for await (const file of filesOf(folder)) files.push(file);
if (files.length > 0) {
  await hub.uploadFiles({ repo, hubUrl, accessToken, files, commitTitle: "by the Hub's client" });
}
const seen = {};
for await (const f of hub.listFiles({ repo, hubUrl, accessToken, recursive: true })) {
  if (f.type === "file") seen[f.path] = { size: f.size, sha256: f.lfs?.oid ?? "" };
}
console.log(JSON.stringify(seen));
