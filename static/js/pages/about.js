// The form of name, tags and note: its entries are saved while somebody types.

import { wireAutosave } from "../builder/autosave.js";

wireAutosave(document.getElementById("words-form"));
