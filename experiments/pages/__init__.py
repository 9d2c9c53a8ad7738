"""The pages of the browser: each module has the views, forms and URLs of one page."""
