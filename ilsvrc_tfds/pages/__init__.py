"""Pages of HTML that load nothing from elsewhere: their frame, style, tables, figures and charts."""
