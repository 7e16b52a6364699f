"""One page about a data set: how it was made, what is in it, what is odd about it, and what it looks like.

    shards or images ─look─▶ tables ─▶ statistics, odd images, duplicates, a sample ─draw─▶ Report ─▶ page, JSON

`opening` finds the data and cuts it into parts (`shards`, `chunks`). `looking` is the job that reads a part and returns
a table with a row of numbers for each image; `tables` joins them. `statistics`, `odd`, `duplicates` and `sampling` are
functions of these tables, and `thumbnails` is the job that draws the images that they chose. `report` puts their
results into one value (`values`). The page (`page`, `sections`, `elements`, `charts`) is only a view of it.
"""
