"""What others wrote, read: one reader for each kind of foreign data.

    images              files of images as RGB pixels
    text                files of text, and which texts are refused
    tables              CSV, TSV, JSON and Parquet; arrow: their columns
    json_models         JSON as pydantic models
    card_head           the YAML head of a card
    safetensors_header  the header of a safetensors file, without its tensors
    display             how such text, and numbers, sizes and durations, are shown

Each checks what it reads where it enters, and an error names the file and the line, row or key.
What comes out is trusted by every other module.
"""
