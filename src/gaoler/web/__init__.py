"""The page for people: `gaoler-web`. A face beside the command line, which can do what the logged-in user may and no more."""
