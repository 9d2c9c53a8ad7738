// Files of a drop: folders are read to their end.

import { MAX_FILES, innerPath, isNoise } from "./files.js";

// {file, path} of everything dropped; of a single folder, paths inside it.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) {
    return [...transfer.files].map((file) => ({ file, path: file.name }));
  }
  const found = [];
  for (const entry of entries) await walk(entry, entry.name, found);
  return entries.length > 1 ? found : found.map(({ file, path }) => ({ file, path: innerPath(path, file.name) }));
}

async function walk(entry, path, found) {
  if (isNoise(path) || found.length > MAX_FILES) return;
  if (entry.isFile) {
    found.push({ file: await new Promise((done, fail) => entry.file(done, fail)), path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a hundred entries at a time.
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return;
    for (const each of some) await walk(each, `${path}/${each.name}`, found);
  }
}
